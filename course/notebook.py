"""How nbgrader marks cells, in one place: exercises, tests, written answers, and the regions that a release lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

MARKER = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)")  # nbgrader looks for the words anywhere in a line
EXPERIMENT, PARAMETERS, SETUP = "experiment", "parameters", "setup"


def read(path: Path) -> NotebookNode:
    """Read a notebook of the course as nbformat 4."""
    return nbformat.read(path, as_version=4)


def grade_id(cell: NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def is_graded(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("grade"))


def is_solution(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def is_exercise(cell: NotebookNode) -> bool:
    """A cell in which the student writes code that the next test cell grades."""
    return is_solution(cell) and not is_graded(cell)


def is_test(cell: NotebookNode) -> bool:
    """A locked cell that is graded by running it."""
    return is_graded(cell) and not is_solution(cell)


def is_written_answer(cell: NotebookNode) -> bool:
    """A cell that a person grades."""
    return is_graded(cell) and is_solution(cell)


def tags(cell: NotebookNode) -> frozenset[str]:
    return frozenset(cell.metadata.get("tags", ()))


def is_run_when_graded(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and EXPERIMENT not in tags(cell)


@dataclass(frozen=True)
class Regions:
    """A cell's lines, by who sees them."""

    visible: tuple[str, ...]
    solution: tuple[str, ...]
    hidden: tuple[str, ...]
    paired: bool  # every BEGIN has its END
    kinds: frozenset[str]  # which markers occur, even around nothing


def regions(text: str) -> Regions:
    """Split a cell at nbgrader's markers."""
    lines: dict[str | None, list[str]] = {None: [], "SOLUTION": [], "HIDDEN TESTS": []}
    inside, paired, kinds = None, True, set()
    for line in text.splitlines():
        mark = MARKER.search(line)
        if mark is None:
            lines[inside].append(line)
        elif mark[1] == "BEGIN":
            paired &= inside is None
            inside = mark[2]
            kinds.add(inside)
        else:
            paired &= inside == mark[2]
            inside = None
    parts = (tuple(lines[kind]) for kind in (None, "SOLUTION", "HIDDEN TESTS"))
    return Regions(*parts, paired and inside is None, frozenset(kinds))


def exercises(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, NotebookNode | None]]:
    """Each exercise with the test cell that grades it, or None where the next exercise comes first."""
    open_exercise = None
    for cell in notebook.cells:
        if is_exercise(cell):
            if open_exercise is not None:
                yield open_exercise, None
            open_exercise = cell
        elif is_test(cell) and open_exercise is not None:
            yield open_exercise, cell
            open_exercise = None
    if open_exercise is not None:
        yield open_exercise, None


def needs(notebook: NotebookNode) -> dict[str, frozenset[str]]:
    """For each exercise, the earlier exercises that its heading says it *needs*."""
    found, stated = {}, frozenset()
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (line := re.search(r"needs: *([\w`*, ]+)", cell.source)):
            stated = frozenset(re.findall(r"\w+", line[1]))
        elif is_exercise(cell):
            found[grade_id(cell)], stated = stated, frozenset()
    return found
