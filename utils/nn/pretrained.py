"""A small GPT with its tokenizer in one file: the student's own from week 8, or the one that comes with the course.

`python -m utils.nn.pretrained FILE` trains the course's own again: 4 layers of width 128 on the embedded Shakespeare.
"""

from __future__ import annotations

import argparse
import base64
import math
from dataclasses import asdict
from pathlib import Path

import torch

from utils import data
from utils.lab import Lab
from utils.nn import checkpoint
from utils.nn.bpe import BytePairEncoding
from utils.nn.gpt import GPT, GPTConfig
from utils.nn.training import Trainer, TrainingConfig, evaluate

TAUGHT_IN = 8

SHIPPED = Path(__file__).with_name("shakespeare_gpt.safetensors")
OWN = "week08_gpt.safetensors"  # in the student's own folder


def save(path: Path, model: GPT, tokenizer: BytePairEncoding, **facts: object) -> None:
    """Write a model, its sizes and its vocabulary into one file.

    Args:
        path: the file.
        model, tokenizer: what belongs together.
        facts: more to remember, such as its loss; what JSON can hold.
    """
    tokens = [base64.b64encode(token).decode() for token in tokenizer.tokens]
    kept = {"config": asdict(model.config), "tokens": tokens, "pattern": tokenizer.pattern.pattern}
    checkpoint.save(path, model.state_dict(), kept | facts)


def load(path: Path = SHIPPED) -> tuple[GPT, BytePairEncoding]:
    """A model in evaluation mode, on the CPU, and its tokenizer.

    Raises:
        CheckpointError: the file cannot be used, or holds something else.
    """
    tensors, facts = checkpoint.load(path)
    try:
        model = GPT(GPTConfig(**facts["config"]))
        model.load_state_dict(tensors)
        tokenizer = BytePairEncoding(map(base64.b64decode, facts["tokens"]), facts["pattern"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise checkpoint.CheckpointError(f"{path} holds no GPT with a tokenizer: {error}") from error
    return model.eval(), tokenizer


def newest(lab: Lab) -> tuple[Path, str]:
    """The student's own model where there is one, else the course's; and which it is, in words."""
    if (own := lab.folder / OWN).exists():
        return own, f"your own model from week 8, {own}"
    return SHIPPED, "the course's model: yours will be used once week 8 has written it"


def main() -> None:
    """Train the course's own model and write it."""
    options = argparse.ArgumentParser(description="Trains the model that comes with the course: a quarter of an hour.")
    options.add_argument("file", type=Path, help="where to write it")
    path = options.parse_args().file
    lab = Lab("pretrained")
    text = data.load("shakespeare")
    cut = len(text) * 9 // 10
    tokenizer = BytePairEncoding.train(text[:cut], 512)
    train, test = (torch.tensor(tokenizer.encode(part)) for part in (text[:cut], text[cut:]))
    torch.manual_seed(lab.seed)
    model = GPT(GPTConfig(vocabulary=len(tokenizer), block_size=384))
    config = TrainingConfig(steps=3000, batch=12, length=384, rate=2e-3, least_rate=1e-4, warmup=200)
    trainer = Trainer(model, train, config)
    for loss in lab.progress(trainer.run(), "training", config.steps):
        if trainer.step % 500 == 0:
            print(f" step {trainer.step}: {loss:.3f} nats a token", flush=True)
    bits = evaluate(model, test, 384) / math.log(2) * len(test) / len(text[cut:].encode())
    save(path, model, tokenizer, bits_per_byte=bits, training=asdict(config))
    print(f"{bits:.3f} bits a byte on text that it has not seen; written to {path}")


if __name__ == "__main__":
    main()
