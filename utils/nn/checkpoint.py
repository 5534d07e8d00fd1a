"""Tensors and facts in one file, written whole or not at all, and refused where it is damaged; as week 8 builds it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

TAUGHT_IN = 8


class CheckpointError(Exception):
    """A checkpoint file cannot be used; the message names it."""


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    """Write a checkpoint in the safetensors format; an older file is replaced once the new one is complete.

    Args:
        path: the file; its folder is made where it is missing.
        tensors: by name; on any device.
        facts: what JSON can hold, such as the step and the model's sizes.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    kept = {"facts": json.dumps(facts, sort_keys=True)}
    kept["digest"] = _digest(tensors, kept["facts"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".partial-", delete=False) as file:
        try:
            file.write(safetensors.torch.save(tensors, kept))
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def load(path: Path, device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict]:
    """The tensors and facts of a checkpoint.

    Raises:
        CheckpointError: there is no such file, it is no checkpoint, or a byte of it has changed since it was written.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            kept = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no checkpoint, or is cut off: {error}") from error
    if kept.get("digest") != _digest(tensors, kept.get("facts", "")):
        raise CheckpointError(f"{path} is damaged: it does not hold what was written. Delete it, and train again.")
    return {name: tensor.to(device) for name, tensor in tensors.items()}, json.loads(kept["facts"])


def _digest(tensors: dict[str, Tensor], facts: str) -> str:
    return hashlib.sha256(facts.encode() + safetensors.torch.save(tensors)).hexdigest()
