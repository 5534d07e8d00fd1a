"""What a notebook needs on Google Colab: the packages that Colab lacks, and no other version of those it has."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

# Imported by `utils` or by notebooks. Module name → package name.
NEEDED = {
    "IPython": "ipython",
    "PIL": "pillow",
    "accelerate": "accelerate",  # asked for by transformers, for zoo.smollm2
    "babel": "babel",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "einops": "einops",
    "filelock": "filelock",
    "gguf": "gguf",  # imported by transformers, for zoo.smollm2
    "ipywidgets": "ipywidgets",
    "jaxtyping": "jaxtyping",
    "matplotlib": "matplotlib",
    "nbformat": "nbformat",
    "numpy": "numpy",
    "platformdirs": "platformdirs",
    "pooch": "pooch",
    "regex": "regex",
    "requests": "requests",
    "safetensors": "safetensors",
    "sklearn": "scikit-learn",
    "tiktoken": "tiktoken",
    "tokenizers": "tokenizers",
    "tqdm": "tqdm",
    "torch": "torch",
    "transformers": "transformers",
    "typer": "typer",
}


def install_missing() -> None:
    """Install what cannot be imported, with every installed package held at its version: torch and numpy never move.

    Raises:
        RuntimeError: pip could not install a package; the message holds pip's own.
    """
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        install(missing)


def install(arguments: list[str]) -> None:
    """Run pip install, with every installed package held at its version.

    Args:
        arguments: requirements, and options of pip.

    Raises:
        RuntimeError: pip could not install them; the message holds pip's own.
    """
    wanted = ", ".join(text for text in arguments if not text.startswith("-"))
    print(f"Installing {wanted}")
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder, "held.txt")
        held.write_text("".join(f"{d.name}=={d.version.split('+')[0]}\n" for d in distributions()))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(held), *arguments]
        done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip could not install {wanted}: {done.stderr.strip()}")
    importlib.invalidate_caches()
