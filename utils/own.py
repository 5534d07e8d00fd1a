"""A student's own code, carried from the week in which they wrote it to later weeks.

`keep` stores a class or function with all that it uses, and the tests that it passed, as a notebook in the student's
own folder. `mine` brings it back if it still passes them, and the textbook code of ``utils.nn`` otherwise; it says
which, and why. Students reach both as ``lab.keep`` and ``lab.mine``.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import io
import linecache
import os
import random
import symtable
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
from nbformat.v4 import new_code_cell, new_notebook

from utils import nn, progress
from utils.fetch import ROOT

Definition = ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign


class NotKept(RuntimeError):
    """Code could not be kept. The message says why and what to do."""


@dataclass(frozen=True)
class Statement:
    """A top-level statement that was executed.

    Attributes:
        source: its text.
        gives: the names that it binds, or, as in ``GPT.generate = …``, adds something to.
        takes: the global names that it uses, at once or when something in it is called.
        adds: those of ``gives`` whose earlier statements are still needed.
    """

    source: str
    gives: frozenset[str]
    takes: frozenset[str]
    adds: frozenset[str]


def keep(name: str, cells: list[str], notebook: str, folder: Path, root: Path = ROOT) -> Path:
    """Store something that a notebook defines, once it passes its tests by itself.

    Args:
        name: of the class or function.
        cells: what was executed, in that order.
        notebook: the notebook's file stem.
        folder: the student's own folder.
        root: the course.

    Returns:
        The file: a notebook with the definitions, what the tests need besides, and the tests.

    Raises:
        NotKept: nothing of that name was defined here, it has no test, or it fails one.
    """
    statements = list(_statements(cells))
    definitions = _closure({name}, statements)
    if not any(name in statement.gives for statement in definitions):
        raise NotKept(f"{name} is not kept: no cell that you have run defines it. Run the notebook from the top.")
    checks = _tests_of({given for statement in definitions for given in statement.gives}, notebook, root)
    if not checks:
        raise NotKept(f"{name} is not kept: no exercise of {notebook} has to do with it.")
    takes = frozenset().union(*map(_takes, checks.values()))
    support = [s for s in _closure(takes, statements) if s not in definitions]
    kept = _as_notebook(name, notebook, definitions, support, checks)
    try:
        _tried(kept)
    except Exception as error:
        raise NotKept(f"{name} is not kept: by itself it fails {_in_words(error)}") from error
    return _write(kept, folder / "own" / f"{name}.ipynb")


def mine(name: str, folder: Path | None) -> object:
    """A student's own class or function where it passes its tests, the textbook's otherwise; prints which and why.

    Args:
        name: of the class or function.
        folder: the student's own folder; None where nobody sits in front of the notebook, so that the textbook's is
            wanted.

    Raises:
        LookupError: there is neither.
    """
    if folder is None:
        return _textbook(name, "nobody sits in front of this run")
    path = folder / "own" / f"{name}.ipynb"
    if not path.exists():
        return _textbook(name, f"you have not kept one of your own: {path} does not exist")
    try:
        kept = nbformat.read(path, as_version=4)
        found = getattr(_tried(kept), name)
    except Exception as error:
        return _textbook(name, f"yours, in {path}, fails {_in_words(error)}")
    facts = kept.metadata.kept
    count = sum("test" in cell.metadata for cell in kept.cells)
    print(f"{name}: your own, of {facts.notebook}; it passed its {count} tests again.")
    return found


def _statements(cells: list[str]) -> Iterator[Statement]:
    """The definitions that cells contain, in the order in which they were executed."""
    for cell in cells:
        try:
            tree = ast.parse(cell)
        except SyntaxError:
            continue  # it defined nothing
        for node in tree.body:
            if isinstance(node, Definition):
                yield _statement(node, cell.splitlines())


def _statement(node: Definition, lines: list[str]) -> Statement:
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
    source = "\n".join(lines[first - 1 : node.end_lineno])
    gives = _gives(node)
    at_once = {symbol.get_name() for symbol in _table(source).get_symbols() if symbol.is_referenced()}
    return Statement(source, gives, _takes(source) | at_once, gives & at_once)


def _gives(node: Definition) -> frozenset[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return frozenset({node.name})
    if isinstance(node, ast.Import | ast.ImportFrom):
        return frozenset((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return frozenset(part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))


def _takes(source: str) -> frozenset[str]:
    """The global names that some code uses and does not itself bind."""

    def of(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            local = (
                symbol.is_assigned() or symbol.is_imported() if table.get_type() == "module" else not symbol.is_global()
            )
            if symbol.is_referenced() and not local:
                yield symbol.get_name()
        for child in table.get_children():
            yield from of(child)

    table = _table(source)
    own = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    return frozenset(of(table)) - own


def _table(source: str) -> symtable.SymbolTable:
    return symtable.symtable(source, "cell", "exec")


def _closure(wanted: set[str] | frozenset[str], statements: list[Statement]) -> list[Statement]:
    """The statements that give some names and, first, all that those take."""
    givers: dict[str, list[Statement]] = {}
    for statement in statements:
        for name in statement.gives:
            givers[name] = [*givers.get(name, []), statement] if name in statement.adds else [statement]
    found: dict[Statement, None] = {}

    def add(name: str, above: frozenset[str]) -> None:
        for statement in givers.get(name, ()):
            if statement not in found and name not in above:
                for taken in sorted(statement.takes - {name}):
                    add(taken, above | {name})
                found[statement] = None

    for name in sorted(wanted):
        add(name, frozenset())
    return list(found)


def _tests_of(names: set[str], notebook: str, root: Path) -> dict[str, str]:
    """The tests of the exercises that define some names: those cells of the released notebook, name → source."""
    graded, found, defined = progress.tests(notebook, root), {}, False
    path = root / "notebooks" / notebook.partition("_")[0] / f"{notebook}.ipynb"
    for cell in nbformat.read(path, as_version=4).cells if graded else ():
        of_grader = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and of_grader.get("solution"):
            defined = bool(names & {name for s in _statements([cell.source]) for name in s.gives})
        elif of_grader.get("grade_id") in graded and defined:
            found[of_grader["grade_id"]], defined = graded[of_grader["grade_id"]], False
    return found


def _as_notebook(
    name: str, notebook: str, definitions: list[Statement], support: list[Statement], checks: dict[str, str]
) -> nbformat.NotebookNode:
    cells = [new_code_cell(statement.source, metadata={"kept": "definition"}) for statement in definitions]
    cells += [new_code_cell(statement.source, metadata={"kept": "needed by a test"}) for statement in support]
    cells += [new_code_cell(source, metadata={"test": test}) for test, source in checks.items()]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "kept": {"name": name, "notebook": notebook}})


def _tried(kept: nbformat.NotebookNode) -> types.ModuleType:
    """A fresh module with the definitions, after the tests have passed in a copy of it; their output is not shown."""
    module = types.ModuleType(f"own_{kept.metadata.kept.name}")
    sys.modules[module.__name__] = module  # where pickle and dataclasses look
    random_state = random.getstate(), np.random.get_state(), *_torch_state()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for cell in kept.cells:
                if "test" not in cell.metadata:
                    _execute(cell, module.__dict__)
            names = copy.copy(module.__dict__)
            for cell in kept.cells:
                if "test" in cell.metadata:
                    _execute(cell, names)
    finally:
        _restore(random_state)
    return module


def _execute(cell: nbformat.NotebookNode, names: dict) -> None:
    file = f"<{cell.metadata.get('test', 'your own code')} {cell.id}>"
    linecache.cache[file] = (len(cell.source), None, cell.source.splitlines(keepends=True), file)
    try:
        exec(compile(cell.source, file, "exec"), names)
    except Exception as error:
        error.add_note(cell.metadata.get("test", "to run"))
        raise


def _torch_state() -> tuple:
    return (torch.get_rng_state(),) if (torch := sys.modules.get("torch")) else ()


def _restore(state: tuple) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])
    if state[2:]:
        sys.modules["torch"].set_rng_state(state[2])


def _in_words(error: Exception) -> str:
    where = error.__notes__[0] if getattr(error, "__notes__", None) else "to be read"
    return f"{where}: {type(error).__name__}: {str(error).strip() or 'without a message'}"


def _textbook(name: str, why: str) -> object:
    for path in sorted(Path(nn.__file__).parent.glob("*.py")):
        defined = {n.name for n in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(n, "name")}
        if name in defined:
            print(f"{name}: the course's, utils.nn.{path.stem}; {why}.")
            return getattr(importlib.import_module(f"utils.nn.{path.stem}"), name)
    raise LookupError(f"There is no {name} in utils.nn, and {why}. Take the week that builds it, and keep it there.")


def _write(kept: nbformat.NotebookNode, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(nbformat.writes(kept) + "\n", encoding="utf-8")
    os.replace(partial, path)
    return path
