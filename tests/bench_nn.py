"""How fast the textbook's language model is beside the libraries that it re-makes; part of `make bench`.

Every ratio is ours over the peer's, both measured in turn in one run: below 1 is faster. Fastest of several rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import tiktoken
import tokenizers
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from utils import data
from utils.generate import Cache, cached_logits
from utils.nn.bpe import PATTERN, BytePairEncoding
from utils.nn.gpt import GPT, GPTConfig

SMALL = GPTConfig(vocabulary=65, block_size=64, layers=4, heads=4, width=128)  # 0.8 million parameters
BABY = GPTConfig(vocabulary=65, block_size=256, layers=6, heads=6, width=384)  # 10.7 million: nanoGPT's for Shakespeare
NEW = 256  # tokens to generate


def fastest(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each, in its fastest round; the rounds of all are interleaved, so that all meet the same machine."""
    found = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            found[name] = min(found[name], time.perf_counter() - began)
    return found


def hugging_face(config: GPTConfig) -> GPT2LMHeadModel:
    sizes = dict(n_positions=config.block_size, n_embd=config.width, n_layer=config.layers, n_head=config.heads)
    off = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0)
    settings = GPT2Config(vocab_size=config.vocabulary, attn_implementation="sdpa", **sizes, **off)
    return GPT2LMHeadModel(settings)


class TorchStack(nn.Module):
    """The same sizes, of PyTorch's own layers."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        layer = dict(d_model=config.width, nhead=config.heads, dim_feedforward=4 * config.width, dropout=0.0)
        gelu = {"activation": lambda x: F.gelu(x, approximate="tanh")}
        one = nn.TransformerEncoderLayer(**layer, **gelu, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(one, config.layers, nn.LayerNorm(config.width), enable_nested_tensor=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        x = self.tokens(tokens) + self.positions(torch.arange(length))  # (B, T, D)
        return self.blocks(x, mask=mask, is_causal=True) @ self.tokens.weight.T  # (B, T, V)


def stepper(model: nn.Module, tokens: torch.Tensor, logits: Callable) -> Callable[[], None]:
    """A training step: loss, gradients, clipping, AdamW."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        loss = F.cross_entropy(logits(model(tokens[:, :-1])).flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def training(name: str, config: GPTConfig, batch: int, threads: int, rounds: int) -> list[tuple]:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    tokens = torch.randint(config.vocabulary, (batch, config.block_size + 1))
    works = {
        "ours": stepper(GPT(config), tokens, lambda out: out),
        "transformers' GPT2LMHeadModel, sdpa": stepper(hugging_face(config), tokens, lambda out: out.logits),
        "nn.TransformerEncoderLayer": stepper(TorchStack(config), tokens, lambda out: out),
    }
    times = fastest(works, rounds)
    what = f"training step, {name} parameters, {batch} × {config.block_size} tokens, {threads} thread(s)"
    return [(what, times["ours"], peer, times[peer]) for peer in works if peer != "ours"]


def tokenizing() -> list[tuple]:
    text = data.load("shakespeare")
    part = text[:300_000]
    ours = BytePairEncoding.train(part, 512)
    theirs = tiktoken.Encoding("ours", pat_str=PATTERN, mergeable_ranks=ours.ranks, special_tokens={})

    def library() -> None:
        made = tokenizers.Tokenizer(tokenizers.models.BPE())
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        made.train_from_iterator([part], tokenizers.trainers.BpeTrainer(vocab_size=512, initial_alphabet=alphabet))

    learn = fastest({"ours": lambda: BytePairEncoding.train(part, 512), "peer": library}, 3)

    def fresh() -> None:
        BytePairEncoding(ours.tokens).encode(text)  # a new one, which has not seen the text's words yet

    encode = fastest({"ours": fresh, "peer": lambda: theirs.encode(text)}, 3)
    return [
        ("learning 512 tokens from 300 kB", learn["ours"], "tokenizers' BpeTrainer", learn["peer"]),
        ("encoding 5 MB", encode["ours"], "tiktoken", encode["peer"]),
    ]


def generating() -> list[tuple]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = GPTConfig(vocabulary=512, block_size=NEW + 32, layers=4, heads=4, width=128)
    ours, theirs = GPT(sizes).eval(), hugging_face(sizes).eval()
    prompt = torch.randint(512, (1, 16))
    options = dict(max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, pad_token_id=0)
    works = {
        "ours": lambda: with_cache(ours, prompt),
        "ours without a cache": lambda: without_cache(ours, prompt),
        "transformers' generate, with its cache": lambda: theirs.generate(prompt, use_cache=True, **options),
    }
    times = fastest(works, 3)
    what = f"{NEW} new tokens with a cache, 4 layers of width 128, {NEW / times['ours']:.0f} tokens a second"
    return [(what, times["ours"], peer, times[peer]) for peer in works if peer != "ours"]


@torch.inference_mode()
def with_cache(model: GPT, tokens: torch.Tensor) -> None:
    cache, new = Cache(model), tokens
    for _ in range(NEW):
        new = cached_logits(model, new, cache)[:, -1].argmax(dim=-1, keepdim=True)  # (1, 1)


@torch.inference_mode()
def without_cache(model: GPT, tokens: torch.Tensor) -> None:
    for _ in range(NEW):
        new = model(tokens)[:, -1].argmax(dim=-1, keepdim=True)  # (1, 1)
        tokens = torch.cat([tokens, new], dim=1)


def show() -> list[dict]:
    """All comparisons, as a table; returned as rows for build/bench.json."""
    rows = [row for threads in (1, 2) for row in training("0.8 million", SMALL, 12, threads, 30)]
    rows += [row for threads in (1, 2) for row in training("10.7 million", BABY, 4, threads, 6)]
    rows += tokenizing() + generating()
    table = Table("what", "ours, s", "peer", "peer's, s", "ratio", title="The textbook's language model")
    for what, ours, peer, theirs in rows:
        table.add_row(what, f"{ours:.4f}", peer, f"{theirs:.4f}", f"{ours / theirs:.2f}")
    Console().print(table)
    return [
        dict(what=what, ours=ours, peer=peer, peers=theirs, ratio=ours / theirs) for what, ours, peer, theirs in rows
    ]
