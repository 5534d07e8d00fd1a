"""On Colab the setup cell installs what is missing, and moves nothing that is there."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from course import ROOT
from course import notebook as nb
from utils import colab


def imported(source: str) -> set[str]:
    """Top-level names of the modules that a piece of code imports."""
    nodes = [node for node in ast.walk(ast.parse(source))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in names}


def test_every_package_that_utils_imports_is_known():
    used = set().union(*(imported(path.read_text(encoding="utf-8")) for path in (ROOT / "utils").rglob("*.py")))
    assert used - sys.stdlib_module_names - {"utils", "google"} - set(colab.NEEDED) == set()


def test_every_package_that_a_notebook_imports_is_known(entry):
    cells = [cell.source for cell in nb.read(entry.source()).cells if cell.cell_type == "code"]
    used = set().union(*map(imported, cells))
    assert used - sys.stdlib_module_names - {"utils"} - set(colab.NEEDED) == set()


def test_only_what_is_missing_is_installed_and_everything_else_is_held(monkeypatch):
    calls = []

    def run(command, **_):
        with open(command[command.index("--constraint") + 1]) as held:
            calls.append((command, held.read()))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(colab.subprocess, "run", run)
    colab.install_missing()
    assert calls == []
    find = colab.importlib.util.find_spec
    monkeypatch.setattr(colab.importlib.util, "find_spec", lambda name: None if name == "pooch" else find(name))
    colab.install_missing()
    [(command, held)] = calls
    assert command[-1] == "pooch"
    assert "torch" not in command
    assert "\ntorch==2." in held
    assert "\nnumpy==2." in held


def test_what_pip_says_is_shown_when_it_fails(monkeypatch):
    monkeypatch.setattr(colab.importlib.util, "find_spec", lambda name: None if name == "pooch" else name)
    failed = subprocess.CompletedProcess([], 1, "", "no matching distribution")
    monkeypatch.setattr(colab.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(RuntimeError, match="no matching distribution"):
        colab.install_missing()
