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
    "einops": "einops",
    "filelock": "filelock",
    "ipywidgets": "ipywidgets",
    "jaxtyping": "jaxtyping",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "platformdirs": "platformdirs",
    "pooch": "pooch",
    "requests": "requests",
    "sklearn": "scikit-learn",
    "tqdm": "tqdm",
    "torch": "torch",
}


def install_missing() -> None:
    """Install what cannot be imported, with every installed package held at its version: torch and numpy never move.

    Raises:
        RuntimeError: pip could not install a package; the message holds pip's own.
    """
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if not missing:
        return
    print(f"Installing {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder, "held.txt")
        held.write_text("".join(f"{d.name}=={d.version.split('+')[0]}\n" for d in distributions()))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(held), *missing]
        done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip could not install {', '.join(missing)}: {done.stderr.strip()}")
