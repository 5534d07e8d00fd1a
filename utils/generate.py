"""Text from a language model, token by token: `python -m utils.generate --temperature 0.8 "ROMEO:"`; week 9 builds it.

Fan et al., Hierarchical Neural Story Generation (2018), for top-k; Holtzman et al., The Curious Case of Neural Text
Degeneration (2020), for top-p; Keskar et al., CTRL (2019), section 4.1, for the penalty on repetition.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import torch
import torch.nn.functional as F
import typer
from jaxtyping import Float, Int
from torch import Tensor

from utils.fetch import DataError
from utils.lab import Lab
from utils.nn import pretrained
from utils.nn.bpe import BytePairEncoding
from utils.nn.checkpoint import CheckpointError
from utils.nn.gpt import GPT

TAUGHT_IN = 9

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn; the steps are taken in this order.

    Attributes:
        penalty: positive logits of tokens that were there already are divided by it, negative ones multiplied; 1: none.
        temperature: what logits are divided by.
        top_k: keep the k likeliest tokens; 0: all.
        top_p: of these, keep the fewest that have this probability together; 1: all.
    """

    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits: Float[Tensor, " V"], seen: Sequence[int], generator: torch.Generator) -> int:
        """Draw a token.

        Args:
            logits: (V,), of the next token.
            seen: the tokens before it.
            generator: draws.
        """
        logits = penalised(logits, seen, self.penalty) / self.temperature  # (V,)
        probabilities = nucleus(top(logits, self.top_k), self.top_p).softmax(dim=-1)  # (V,)
        return torch.multinomial(probabilities, 1, generator=generator).item()


def penalised(logits: Float[Tensor, " V"], seen: Sequence[int], penalty: float) -> Float[Tensor, " V"]:
    """Logits with less for tokens that have been there."""
    logits = logits.clone()
    places = torch.tensor(sorted({*seen}), dtype=torch.long)
    before = logits[places]
    logits[places] = torch.where(before > 0, before / penalty, before * penalty)
    return logits


def top(logits: Float[Tensor, "*batch V"], count: int) -> Float[Tensor, "*batch V"]:
    """Logits in which all but the largest are −∞; those equal to the smallest of them stay, and all where it is 0."""
    if not 0 < count < logits.shape[-1]:
        return logits
    least = logits.topk(count, dim=-1).values[..., -1:]  # (*batch, 1)
    return logits.masked_fill(logits < least, -torch.inf)  # (*batch, V)


def nucleus(logits: Float[Tensor, "*batch V"], share: float) -> Float[Tensor, "*batch V"]:
    """Logits in which all are −∞ but the fewest, likeliest ones that have together at least this probability."""
    if share >= 1:
        return logits
    ordered, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)  # (*batch, V) each
    before = ordered.cumsum(dim=-1) - ordered  # (*batch, V): what the likelier ones have; the crossing token stays
    dropped = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= share)  # (*batch, V)
    return logits.masked_fill(dropped, -torch.inf)


class Cache:
    """Keys and values of the tokens so far, of every layer, so that a new token costs one step and not all again.

    Args:
        model: whose they are.
        batch: B, how many sequences.
    """

    def __init__(self, model: GPT, batch: int = 1) -> None:
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = torch.empty(shape, device=like.device, dtype=like.dtype)
        self.length = 0  # tokens that are in it

    def extend(
        self, layer: int, key: Float[Tensor, "B h T d"], value: Float[Tensor, "B h T d"]
    ) -> Float[Tensor, "2 B h S d"]:
        """Put a layer's keys and values of T new tokens behind those of earlier ones, and return all S of them."""
        end = self.length + key.shape[2]
        self.kept[layer, 0, :, :, self.length : end] = key
        self.kept[layer, 1, :, :, self.length : end] = value
        return self.kept[layer, :, :, :, :end]  # (2, B, h, S, d)


@torch.inference_mode()
def cached_logits(model: GPT, tokens: Int[Tensor, "B T"], cache: Cache) -> Float[Tensor, "B T V"]:
    """What ``model`` says of new tokens that follow those in the cache: the same as with all of them at once.

    Args:
        model: in evaluation mode.
        tokens: the new ones, (B, T).
        cache: of the earlier ones; holds the new ones, too, afterwards.

    Raises:
        ValueError: there are more tokens than the block size.
    """
    x = model.embed(tokens, start=cache.length)  # (B, T, D)
    count, end = tokens.shape[1], cache.length + tokens.shape[1]
    mask = None  # a single token may look at everything
    if count > 1:
        mask = torch.ones(count, end, dtype=torch.bool, device=tokens.device).tril(cache.length)  # (T, S)
    for layer, block in enumerate(model.blocks):
        query, key, value = block.attention.project(block.norm_1(x))  # (B, h, T, d) each
        keys, values = cache.extend(layer, key, value)  # (B, h, S, d) each
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
        x = x + block.attention.to_out(mixed.transpose(1, 2).flatten(2))  # (B, T, D)
        x = x + block.feed_forward(block.norm_2(x))  # (B, T, D)
    cache.length = end
    return model.unembed(x)


class LanguageModel(Protocol):
    """What generation needs of a model; it remembers what it has read."""

    def encode(self, text: str) -> list[int]: ...

    def decode(self, tokens: Sequence[int]) -> str: ...

    def read(self, tokens: Sequence[int]) -> Float[Tensor, " V"]:
        """Logits of the token that follows these, which follow those that were read before."""

    def ends(self, token: int) -> bool:
        """Whether a token means that the text ends here."""


class Own:
    """A GPT of the course. Where its block is full, it goes on from the last half of it, read again from the start."""

    def __init__(self, model: GPT, tokenizer: BytePairEncoding) -> None:
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens: list[int] = []  # those in the cache
        self.cache = Cache(model)

    def read(self, tokens: Sequence[int]) -> Float[Tensor, " V"]:
        size = self.model.config.block_size
        if len(self.tokens) + len(tokens) > size:
            tokens = [*self.tokens, *tokens][-(size // 2) :]
            self.tokens, self.cache = [], Cache(self.model)
        self.tokens += tokens
        return cached_logits(self.model, torch.tensor([tokens], device=self.device), self.cache)[0, -1].cpu()  # (V,)

    def ends(self, token: int) -> bool:
        return False


class SmolLM2:
    """SmolLM2-135M-Instruct, which continues a text like any language model."""

    def __init__(self) -> None:
        from utils import zoo

        self.model, self.tokenizer = zoo.smollm2()
        self.past = None
        self.end = {self.tokenizer.eos_token_id, self.tokenizer.convert_tokens_to_ids("<|endoftext|>")}

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def decode(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(list(tokens))

    @torch.no_grad()
    def read(self, tokens: Sequence[int]) -> Float[Tensor, " V"]:
        said = self.model(torch.tensor([tokens]), past_key_values=self.past, use_cache=True)
        self.past = said.past_key_values
        return said.logits[0, -1]  # (V,)

    def ends(self, token: int) -> bool:
        return token in self.end


def stream(
    model: LanguageModel,
    prompt: str,
    sampling: Sampling,
    max_tokens: int,
    stops: Sequence[str] = (),
    seed: int = 0,
) -> Iterator[str]:
    """Continue a text; yields pieces as soon as it is certain that they are no part of a stop sequence.

    Args:
        model: has read nothing yet.
        prompt: what to continue; not empty.
        sampling: how tokens are drawn.
        max_tokens: how many at most.
        stops: where the text ends; a stop sequence itself is not shown, in whatever tokens it comes.
        seed: the same seed, the same text.
    """
    generator, tokens, shown = torch.Generator().manual_seed(seed), [], 0
    seen = model.encode(prompt)
    logits, text = model.read(seen), ""
    for _ in range(max_tokens):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        if (safe := len(text) - held_back(text, stops)) > shown:
            yield text[shown:safe]
            shown = safe
        if len(tokens) < max_tokens:
            logits = model.read([token])
    yield text[shown:]


def first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the first stop sequence in a text begins; None where there is none."""
    return min((place for stop in stops if (place := text.find(stop)) >= 0), default=None)


def held_back(text: str, stops: Sequence[str]) -> int:
    """How many characters at a text's end may still change, or become a stop sequence.

    Args:
        text: decoded so far; holds no whole stop sequence.
        stops: the stop sequences.
    """
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")  # without a character whose bytes are not all there
    begun = (n for stop in stops for n in range(1, len(stop)) if whole.endswith(stop[:n]))
    return len(text) - len(whole) + max(begun, default=0)


def between(least: float, most: float, kind: type = float) -> Callable[[str], float]:
    """A reader of numbers in a range, both ends included.

    Args:
        least, most: the range.
        kind: float or int.

    Returns:
        A function of an option's text, which raises ``typer.BadParameter`` for what is no such number.
    """

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:  # so that nan is refused, too
            what = "whole number" if kind is int else "number"
            raise typer.BadParameter(f"{text} is no {what} from {least} to {most}")
        return value

    return parse


def unescaped(text: str) -> str:
    r"""``\n``, ``\t``, ``\r``, ``\\`` and ``\u00e9`` as the characters that they stand for.

    Raises:
        typer.BadParameter: what follows a backslash has no meaning, or the text is empty.
    """

    def meant(match: re.Match) -> str:
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in ESCAPES:
            raise typer.BadParameter(f"{match[0]} has no meaning here; write a backslash itself as \\\\")
        return ESCAPES[code]

    if not text:
        raise typer.BadParameter("a stop sequence cannot be empty")
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.|\Z)", meant, text, flags=re.DOTALL)


def option(help: str, parser: Callable[[str], object] | None = None):
    """An option, with what it is for and who reads its text."""
    return typer.Option(help=help, parser=parser)


def opened(name: str) -> LanguageModel:
    """A model by name: ``mine``, ``smollm2``, or a file."""
    if name == "smollm2":
        return SmolLM2()
    path, which = pretrained.newest(Lab("generate")) if name == "mine" else (Path(name), name)
    typer.echo(f"[{which}]", err=True)
    return Own(*pretrained.load(path))


def main(
    prompt: Annotated[str, typer.Argument(help="The text to continue.")],
    temperature: Annotated[float, option("0.1 to 2.0. Low: likely tokens; high: all.", between(0.1, 2.0))] = 1.0,
    top_k: Annotated[int, option("Draw from the k likeliest tokens; 0: from all.", between(0, 10**6, int))] = 0,
    top_p: Annotated[float, option("Draw from the likeliest of this probability.", between(0.01, 1.0))] = 1.0,
    penalty: Annotated[float, option("1 to 2, against repetition; 1: none.", between(1.0, 2.0))] = 1.0,
    max_tokens: Annotated[int, option("How many tokens at most.", between(1, 10_000, int))] = 200,
    stop: Annotated[list[str], option(r"Where to end, such as '\n\n'. Can be repeated.", unescaped)] = (),
    model: Annotated[str, option("mine, smollm2, or a file that week 8 has written.")] = "mine",
    seed: Annotated[int, option("The same seed, the same text.")] = 0,
) -> None:
    """Continue a text with a language model, token by token."""
    if not prompt:
        raise typer.BadParameter("the prompt is empty: a model needs at least one character to continue")
    try:
        talker = opened(model)
    except (CheckpointError, DataError) as error:
        raise typer.BadParameter(str(error), param_hint="--model") from None
    typer.echo(prompt, nl=False)
    for piece in stream(talker, prompt, Sampling(penalty, temperature, top_k, top_p), max_tokens, stop, seed):
        typer.echo(piece, nl=False)
    typer.echo()


if __name__ == "__main__":
    typer.run(main)
