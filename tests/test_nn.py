"""Textbook code that later weeks build on, held against the libraries that it re-makes."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import regex
import tiktoken
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from utils import data
from utils.nn import checkpoint, pretrained
from utils.nn.bpe import PATTERN, BytePairEncoding
from utils.nn.checkpoint import CheckpointError
from utils.nn.gpt import GPT, GPTConfig
from utils.nn.training import Trainer, TrainingConfig, evaluate, learning_rate, optimiser_of, windows

SIZES = GPTConfig(vocabulary=50, block_size=16, layers=3, heads=4, width=24)
TEXT = "low lower lowest, the newer the wider; 'tis naïve — 12 low lows. " * 20


def as_gpt2(config: GPTConfig) -> tuple[GPT, GPT2LMHeadModel]:
    """Our model and Hugging Face's with the same weights, large enough that no mistake hides in small logits."""
    torch.manual_seed(0)
    sizes = dict(n_positions=config.block_size, n_embd=config.width, n_layer=config.layers, n_head=config.heads)
    theirs = GPT2LMHeadModel(GPT2Config(vocab_size=config.vocabulary, bos_token_id=0, eos_token_id=0, **sizes)).eval()
    ours = GPT(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.mul_(4).add_(torch.randn_like(parameter), alpha=0.1)
        body = theirs.transformer
        for mine, other in [(ours.tokens, body.wte), (ours.positions, body.wpe), (ours.norm, body.ln_f)]:
            mine.load_state_dict(other.state_dict())
        for block, layer in zip(ours.blocks, body.h, strict=True):
            block.norm_1.load_state_dict(layer.ln_1.state_dict())
            block.norm_2.load_state_dict(layer.ln_2.state_dict())
            attention, forward = block.attention, block.feed_forward
            linear = [(attention.to_qkv, layer.attn.c_attn), (attention.to_out, layer.attn.c_proj)]
            linear += [(forward.to_hidden, layer.mlp.c_fc), (forward.to_out, layer.mlp.c_proj)]
            for mine, other in linear:
                mine.weight.copy_(other.weight.T)
                mine.bias.copy_(other.bias)
    return ours, theirs


def test_logits_and_loss_are_gpt2s_on_the_same_weights():
    ours, theirs = as_gpt2(SIZES)
    tokens = torch.randint(50, (3, 16))
    said = theirs(tokens, labels=tokens)
    torch.testing.assert_close(ours(tokens), said.logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.loss(tokens[:, :-1], tokens[:, 1:]), said.loss, rtol=1e-4, atol=1e-5)
    assert said.logits.std() > 1


def test_a_new_model_is_initialised_as_the_paper_says():
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocabulary=500, block_size=64, layers=8, heads=4, width=128))
    assert model.tokens.weight.std().item() == pytest.approx(0.02, rel=0.05)
    for name in ("attention", "feed_forward"):
        added = getattr(model.blocks[3], name).to_out
        assert added.weight.std().item() == pytest.approx(0.02 / math.sqrt(2 * 8), rel=0.05)
        assert not added.bias.any()
    tokens = torch.randint(500, (4, 65))
    assert model.loss(tokens[:, :-1], tokens[:, 1:]).item() == pytest.approx(math.log(500), abs=0.15)


def test_tokens_beyond_the_block_and_heads_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="17 tokens, but the block size is 16"):
        GPT(SIZES)(torch.zeros(1, 17, dtype=torch.long))
    with pytest.raises(ValueError, match="a width of 10 cannot be shared by 4 heads"):
        GPTConfig(vocabulary=5, block_size=5, heads=4, width=10)


def merges_by_recounting(text: str, vocabulary: int) -> list[bytes]:
    """The definition: before every merge, all pairs of the whole text are counted again."""
    pieces = [[bytes([byte]) for byte in piece.encode()] for piece in regex.findall(PATTERN, text)]
    tokens = [bytes([byte]) for byte in range(256)]
    while len(tokens) < vocabulary:
        numbers = {token: number for number, token in enumerate(tokens)}
        counts = Counter((numbers[a], numbers[b]) for piece in pieces for a, b in pairwise(piece))
        left, right = (tokens[n] for n in max(counts, key=lambda pair: (counts[pair], pair)))
        tokens.append(left + right)
        for piece in pieces:
            at = 0
            while at < len(piece) - 1:
                if (piece[at], piece[at + 1]) == (left, right):
                    piece[at : at + 2] = [left + right]
                at += 1
    return tokens


def test_learned_merges_are_those_of_recounting_the_whole_text():
    text = data.load("shakespeare")[20_000:40_000] + "aaaa aaaaa aaa, " * 5
    assert BytePairEncoding.train(text, 330).tokens == merges_by_recounting(text, 330)


def test_learning_ends_where_nothing_is_left_to_merge():
    assert BytePairEncoding.train("ab ab", 1000).tokens[256:] == [b"ab", b" ab"]


@pytest.fixture(scope="module")
def encoding() -> BytePairEncoding:
    return BytePairEncoding.train(TEXT, 320)


@given(st.text(max_size=80) | st.text(alphabet="low erst'12—ï😀\n", max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_text_is_encoded_as_tiktoken_does_and_comes_back(encoding, text):
    theirs = tiktoken.Encoding("ours", pat_str=PATTERN, mergeable_ranks=encoding.ranks, special_tokens={})
    assert encoding.encode(text) == theirs.encode(text)
    assert encoding.decode(encoding.encode(text)) == text


def test_bytes_that_are_no_text_are_shown_as_such(encoding):
    assert encoding.decode(encoding.encode("é")[:1]) == "\N{REPLACEMENT CHARACTER}"


def test_a_vocabulary_is_kept_in_tiktokens_format_and_a_broken_one_is_named(encoding, tmp_path):
    path = tmp_path / "vocabulary.tiktoken"
    encoding.save(path)
    assert BytePairEncoding.load(path).tokens == encoding.tokens
    path.write_text(path.read_text().replace("\n", " x\n", 1))
    with pytest.raises(ValueError, match=r"vocabulary\.tiktoken holds no vocabulary"):
        BytePairEncoding.load(path)


def test_the_rate_rises_in_a_line_and_falls_along_half_a_cosine():
    config = TrainingConfig(steps=101, batch=1, length=1, rate=1.0, least_rate=0.1, warmup=20)
    rates = [learning_rate(step, config) for step in range(101)]
    assert rates[:20] == pytest.approx([(step + 1) / 20 for step in range(20)])
    assert (rates[20], rates[60], rates[100]) == pytest.approx((1.0, 0.55, 0.1))
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_a_window_and_its_targets_are_one_token_apart():
    tokens = torch.arange(50)
    inputs, targets = windows(tokens, 2000, 8, torch.Generator().manual_seed(0))
    assert torch.equal(targets, inputs + 1) and torch.equal(inputs[:, 1:], inputs[:, :-1] + 1)
    assert (inputs[:, 0].min().item(), targets.max().item()) == (0, 49)


def test_only_matrices_decay():
    model = GPT(SIZES)
    matrices, vectors = optimiser_of(model, TrainingConfig(steps=1, batch=1, length=1)).param_groups
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)
    assert {p.ndim for p in matrices["params"]} == {2} and {p.ndim for p in vectors["params"]} == {1}
    assert len(matrices["params"]) + len(vectors["params"]) == len([*model.parameters()])


def trainer(**changes: object) -> Trainer:
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocabulary=50, block_size=16, layers=2, heads=2, width=16, dropout=0.1))
    config = dict(steps=12, batch=4, length=8, warmup=4, accumulate=2) | changes
    return Trainer(model, torch.randint(50, (2000,)), TrainingConfig(**config))


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_an_interrupted_run_goes_on_to_the_same_numbers_bit_for_bit(tmp_path, precision):
    whole = trainer(precision=precision)
    losses = [*whole.run()]
    first = trainer(precision=precision)
    before = [*first.run(until=5)]
    first.save(tmp_path / "run")
    second = trainer(precision=precision)
    torch.rand(7)  # whatever happens in between
    second.resume(tmp_path / "run")
    assert [*before, *second.run()] == losses
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True))


def test_a_damaged_run_or_another_one_is_refused_by_name(tmp_path):
    path = tmp_path / "run.safetensors"
    begun = trainer()
    [*begun.run(until=1)]
    begun.save(path)
    with pytest.raises(CheckpointError, match=r"run\.safetensors is of another run"):
        trainer(rate=1e-4).resume(path)
    other = trainer()
    other.model = GPT(SIZES)
    with pytest.raises(CheckpointError, match=r"run\.safetensors is of another model"):
        other.resume(path)
    kept = path.read_bytes()
    for damaged in (kept[: len(kept) // 2], kept[:-9] + bytes([kept[-9] ^ 1]) + kept[-8:], b"", b"x" * 100):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"run\.safetensors"):
            trainer().resume(path)
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors does not exist"):
        trainer().resume(tmp_path / "nothing.safetensors")


def test_a_checkpoint_that_cannot_be_written_leaves_the_older_one(tmp_path):
    path = tmp_path / "kept.safetensors"
    checkpoint.save(path, {"a": torch.ones(2)}, {"step": 1})
    with pytest.raises(TypeError):
        checkpoint.save(path, {"a": torch.zeros(2)}, {"step": object()})
    tensors, facts = checkpoint.load(path)
    assert (tensors["a"].tolist(), facts, [*tmp_path.iterdir()]) == ([1, 1], {"step": 1}, [path])


def test_micro_batches_add_up_to_the_large_batch():
    inputs, targets = windows(torch.randint(50, (500,)), 8, 8, torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    model = GPT(SIZES)
    model.loss(inputs, targets).backward()
    wanted = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    for x, y in zip(inputs.chunk(4), targets.chunk(4), strict=True):
        (model.loss(x, y) / 4).backward()
    for parameter, gradient in zip(model.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_evaluation_is_the_mean_over_the_text_and_leaves_the_model_as_it_was():
    model = GPT(GPTConfig(vocabulary=50, block_size=16, layers=1, heads=2, width=16, dropout=0.5)).train()
    tokens = torch.randint(50, (101,))
    first, again = (evaluate(model, tokens, length=10, batch=3) for _ in range(2))
    model.eval()
    one_by_one = [model.loss(tokens[None, i : i + 10], tokens[None, i + 1 : i + 11]).item() for i in range(0, 100, 10)]
    assert first == again == pytest.approx(sum(one_by_one) / 10, rel=1e-5)
    model.train()
    evaluate(model, tokens, length=10)
    assert model.training


def test_a_text_that_is_too_short_is_refused():
    for call in (lambda: evaluate(GPT(SIZES), torch.arange(9), 9), lambda: windows(torch.arange(9), 1, 9, None)):
        with pytest.raises(ValueError, match="9 tokens has no stretch of 9"):
            call()


def test_the_model_that_comes_with_the_course_is_small_and_knows_its_text():
    model, tokenizer = pretrained.load()
    assert pretrained.SHIPPED.stat().st_size <= 4e6
    assert model.config.block_size >= 256 + 64
    text = "ROMEO.\nBut, soft! what light through yonder window breaks?\nIt is the east, and Juliet is the sun.\n"
    tokens = torch.tensor(tokenizer.encode(text))
    nats = model.loss(tokens[None, :-1], tokens[None, 1:]).item()
    assert nats / math.log(2) * len(tokens) / len(text.encode()) < 2.6  # bits a byte; 8 without any knowledge


def test_the_students_own_model_is_preferred_and_a_file_with_something_else_is_refused(tmp_path, encoding):
    class Folder:
        folder: Path = tmp_path

    assert pretrained.newest(Folder())[0] == pretrained.SHIPPED
    pretrained.save(tmp_path / pretrained.OWN, GPT(GPTConfig(len(encoding), 16, 1, 1, 8)), encoding, loss=1.5)
    path, which = pretrained.newest(Folder())
    model, tokenizer = pretrained.load(path)
    assert "your own" in which and (model.config.width, tokenizer.tokens) == (8, encoding.tokens)
    checkpoint.save(path, {"a": torch.ones(1)}, {"step": 1})
    with pytest.raises(CheckpointError, match=r"week08_gpt\.safetensors holds no GPT"):
        pretrained.load(path)
