"""What a student's notebook would pass now: every test that a student can see, in a fresh kernel, as in grading.

The same question as nbgrader's Validate button, where that button is not. It needs no nbgrader, so it runs on Colab,
too: ``python -m course.validate FILE``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from rich.console import Console
from rich.markup import escape

from course import ROOT, CourseError, collect, syllabus
from course import notebook as nb
from course.kernel import LocalKernel
from course.syllabus import Notebook

PASSED, FAILED, UNANSWERED, NOT_RUN = "passed", "failed", "not answered", "not run"
MARKS = {PASSED: "[green]✓[/]", FAILED: "[red]✗[/]", UNANSWERED: "[yellow]–[/]", NOT_RUN: "[red]✗[/]"}
TIMEOUT = 60  # seconds that one cell may run, as in grading
LATE = {"status": "error", "ename": "TimeoutError", "evalue": f"ran longer than {TIMEOUT} s", "traceback": []}


class CannotValidate(CourseError):
    """The file is no notebook of the course."""


@dataclass(frozen=True)
class Check:
    """How one test ended.

    Attributes:
        exercise: what the student answered, by its heading.
        test: the test's nbgrader id.
        state: "passed", "failed", "not answered" or "not run".
        message: what the test said; empty where it passed.
    """

    exercise: str
    test: str
    state: str
    message: str = ""


@dataclass(frozen=True)
class Validation:
    """What became of a notebook: a check for each test, and what handing it in would mend."""

    checks: tuple[Check, ...]
    repairs: tuple[str, ...]
    unwritten: tuple[str, ...]  # answers in words that are still as they were released

    @property
    def passed(self) -> bool:
        return all(check.state == PASSED for check in self.checks)


def validate(path: Path, root: Path = ROOT, done: Callable[[int, int], None] = lambda cell, cells: None) -> Validation:
    """Run a student's notebook, without its experiments; the file is only read.

    Args:
        path: the notebook; any name that holds the name of one of the course's.
        root: the course, with the week released.
        done: called with the number of cells that are done, and how many there are.

    Raises:
        CannotValidate: the file cannot be read, or is no released notebook of the course.
    """
    release = nb.read(_entry(path, root).released(root))
    try:
        sent, left_out = collect.read(path)
    except (OSError, collect.Unreadable) as error:
        raise CannotValidate(f"{path} {error}") from None
    repaired = collect.repair(release, sent)
    titles = _titles(repaired.notebook)
    written = [cell for cell in repaired.notebook.cells if nb.is_written_answer(cell)]
    stub = {cell.id: cell.source for cell in release.cells}
    unwritten = tuple(nb.grade_id(cell) for cell in written if cell.source.strip() == stub[cell.id].strip())
    ended = _execute(repaired.notebook, path.resolve().parent, done)
    checks = tuple(_check(c, titles[c.id], c.id in ended) for c in repaired.notebook.cells if nb.is_test(c))
    return Validation(checks, (*left_out, *repaired.notes), unwritten)


def _entry(path: Path, root: Path) -> Notebook:
    found = [entry for entry in syllabus.load(root).notebooks if entry.stem in path.stem]
    if not found or not found[0].released(root).exists():
        raise CannotValidate(f"{path.name} is no released notebook of the course: its name must hold one of theirs")
    return found[0]


def _titles(notebook: NotebookNode) -> dict[str, str]:
    """For each test, the heading of what it tests."""
    titles, heading = {}, ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found = [line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")]
            heading = found[-1] if found else heading
        elif nb.is_test(cell):
            titles[cell.id] = heading
    return titles


def _execute(notebook: NotebookNode, folder: Path, done: Callable[[int, int], None]) -> set[str]:
    """Run what is run when graded; one that fails or hangs does not stop it. Returns the ids of cells that ended."""
    cells = [cell for cell in notebook.cells if nb.is_run_when_graded(cell)]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    ended = set()

    def executed(cell: NotebookNode, **_: object) -> None:
        ended.add(cell.id)
        done(len(ended), len(cells))

    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        allow_errors=True,
        interrupt_on_timeout=True,
        error_on_timeout=LATE,
        skip_cells_with_tag=nb.EXPERIMENT,
        on_cell_executed=executed,
        resources={"metadata": {"path": str(folder)}},
        kernel_manager_class=LocalKernel,
    )
    with suppress(DeadKernelError):  # what comes after it has not ended
        client.execute()
    return ended


def _check(cell: NotebookNode, title: str, ended: bool) -> Check:
    name = nb.grade_id(cell)
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if errors and errors[0].ename == "NotImplementedError":
        return Check(title, name, UNANSWERED, errors[0].evalue)
    if errors and errors[0].ename == "KeyboardInterrupt":
        return Check(title, name, FAILED, f"ran longer than {TIMEOUT} s and was stopped")
    if errors:
        kind = "" if errors[0].ename == "AssertionError" else f"{errors[0].ename}: "
        return Check(title, name, FAILED, f"{kind}{errors[0].evalue}".strip() or "AssertionError")
    if not ended:
        return Check(title, name, NOT_RUN, "Python ended here or before: look for exit(), or for too much memory")
    return Check(title, name, PASSED)


def show(validation: Validation, out: Console) -> None:
    """Print the report."""
    for check in validation.checks:
        out.print(f"{MARKS[check.state]} {escape(check.exercise)}  [dim]{check.test}[/]", highlight=False)
        for line in check.message.splitlines() if check.state in (FAILED, NOT_RUN) else ():
            out.print(f"    {escape(line)}", highlight=False)
    for repair in validation.repairs:
        out.print(f"[yellow]When you hand it in:[/] {escape(repair)}", highlight=False)
    if validation.unwritten:
        out.print(f"[yellow]Not written yet:[/] {', '.join(validation.unwritten)}", highlight=False)
    states = [check.state for check in validation.checks]
    out.print(
        f"{states.count(PASSED)} of {len(states)} tests pass; {states.count(UNANSWERED)} exercises are not answered. "
        "Grading asks the same and, for each exercise, a few hidden questions more."
    )


if __name__ == "__main__":
    outcome = validate(Path(sys.argv[1]))
    show(outcome, Console())
    sys.exit(not outcome.passed)
