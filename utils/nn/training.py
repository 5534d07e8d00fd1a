"""Trains a language model, as week 8 builds it: schedule, accumulation, mixed precision, and a run that can be resumed.

Sources: Loshchilov and Hutter, SGDR (2017) and Decoupled Weight Decay Regularization (2019); Micikevicius et al., Mixed
Precision Training (2018).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from utils.nn import checkpoint

TAUGHT_IN = 8


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        steps: of the optimiser, in all.
        batch: sequences of one micro-batch.
        length: T, tokens of one sequence.
        rate, least_rate: the learning rate after the warm-up, and at the end.
        warmup: steps in which the rate rises to ``rate``.
        accumulate: micro-batches whose gradients are averaged for one step.
        decay: weight decay of matrices; vectors (biases, norms) have none.
        clip: the largest norm of all gradients together.
        precision: ``"float32"``, ``"bfloat16"``, or ``"float16"``, whose gradients are scaled.
        seed: draws the batches.
    """

    steps: int
    batch: int
    length: int
    rate: float = 1e-3
    least_rate: float = 1e-4
    warmup: int = 100
    accumulate: int = 1
    decay: float = 0.1
    clip: float = 1.0
    precision: str = "float32"
    seed: int = 0


def learning_rate(step: int, config: TrainingConfig) -> float:
    """The rate of a step, counted from 0: a line up to ``rate``, then half a cosine down to ``least_rate``.

    Source: Loshchilov and Hutter (2017), eq. 5, without restarts.
    """
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - 1 - config.warmup)  # 0 at the top, 1 at the last step
    return config.least_rate + (config.rate - config.least_rate) * (1 + math.cos(math.pi * min(done, 1))) / 2


def windows(
    tokens: Int[Tensor, " N"], batch: int, length: int, generator: torch.Generator
) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
    """Random stretches of a text, and the same moved on by one token: inputs and targets.

    Args:
        tokens: the text, (N,), N > T.
        batch, length: B and T.
        generator: on the CPU; draws where they begin.

    Raises:
        ValueError: the text is shorter than a stretch and its last target.
    """
    _require(tokens, length)
    begins = torch.randint(len(tokens) - length, (batch,), generator=generator).to(tokens.device)  # (B,)
    places = begins[:, None] + torch.arange(length + 1, device=tokens.device)  # (B, T + 1)
    found = tokens[places]  # (B, T + 1)
    return found[:, :-1], found[:, 1:]


def _require(tokens: Int[Tensor, " N"], length: int) -> None:
    if len(tokens) <= length:
        raise ValueError(f"a text of {len(tokens)} tokens has no stretch of {length} with a target after each")


@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    """Mean loss in nats per token over a text, cut into stretches of T tokens without overlap; a rest is not used.

    Divide by ln 2 and multiply by tokens per byte for bits per byte, which models with other tokenizers share.

    Raises:
        ValueError: the text is shorter than a stretch and its last target.
    """
    _require(tokens, length)
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        total += F.cross_entropy(model(x).flatten(0, 1).float(), y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (count * length)


def optimiser_of(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW, with weight decay for matrices only."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    fused = parameters[0].is_cuda
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99), fused=fused)


class Trainer:
    """A training run: begun, interrupted, resumed.

    Args:
        model: (B, T) tokens to (B, T, V) logits; its parameters stay float32.
        tokens: the text to learn, (N,), on the model's device.
        config: how.
    """

    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0
        half = config.precision == "float16"
        self.scaler = torch.amp.GradScaler(tokens.device.type, enabled=half)

    def run(self, until: int | None = None) -> Iterator[float]:
        """Train up to a step, all of them where none is given; yields each step's loss, in nats per token."""
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        total = 0.0
        for _ in range(self.config.accumulate):
            inputs, targets = windows(self.tokens, self.config.batch, self.config.length, self.generator)
            with self._autocast():
                logits = self.model(inputs)  # (B, T, V)
                loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten()) / self.config.accumulate
            self.scaler.scale(loss).backward()
            total += loss.item()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return total

    def _autocast(self):
        if self.config.precision == "float32":
            return nullcontext()
        return torch.autocast(self.tokens.device.type, dtype=getattr(torch, self.config.precision))

    def save(self, path: Path) -> None:
        """Write all that the rest of the run depends on, besides the text and the model's sizes."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        facts = {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()}
        checkpoint.save(path, tensors, facts)

    def resume(self, path: Path) -> None:
        """Go on where a run was saved.

        Raises:
            CheckpointError: the file cannot be used, or is of a run with another configuration or model.
        """
        tensors, facts = checkpoint.load(path)
        if facts.get("config") != asdict(self.config):
            raise checkpoint.CheckpointError(f"{path} is of another run: {facts.get('config')}")
        parts = {name: {} for name in ("model", "optimiser")}
        for name, tensor in tensors.items():
            owner, _, rest = name.partition(".")
            parts.get(owner, {})[rest] = tensor
        try:
            self.model.load_state_dict(parts["model"])
        except RuntimeError as error:
            raise checkpoint.CheckpointError(f"{path} is of another model: {error}") from error
        state = self.optimiser.state_dict()
        state["state"] = {}
        for name, value in parts["optimiser"].items():
            number, _, key = name.partition(".")
            state["state"].setdefault(int(number), {})[key] = value
        self.optimiser.load_state_dict(state)
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]
