"""Runs right and wrong answers against the graders: each wrong one must be rejected, each right one accepted."""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nbformat import NotebookNode

from course import ROOT, CourseError
from course import notebook as nb
from course.session import Outcome, Session, in_fork
from course.syllabus import Notebook
from utils.lab import UNATTENDED

HEAD = re.compile(r"^# %% (wrong|right) (\S+?): *(\S.*)$")


class MalformedAnswers(CourseError):
    """A file in tests/answers is not in its format."""


@dataclass(frozen=True)
class Answer:
    """One cell of tests/answers."""

    kind: str  # "wrong" or "right"
    exercise: str
    about: str
    code: str


@dataclass(frozen=True)
class Verdict:
    """What the grader said to an answer."""

    answer: Answer
    caught_by: str  # "visible", "hidden", or "" where the answer was accepted
    outcome: Outcome

    @property
    def problem(self) -> str:
        """Why the grader, or the answer, is not as it should be; empty when it is."""
        if self.answer.kind == "right":
            if self.caught_by:
                return f"a right answer is rejected: {self.outcome.error}: {self.outcome.message}"
            return f"a right answer writes to standard error: {self.outcome.stderr}" if self.outcome.stderr else ""
        if not self.caught_by:
            return "a wrong answer is accepted"
        if self.outcome.error != "AssertionError":
            return (
                f"a wrong answer is not rejected by an assertion, but by {self.outcome.error}: {self.outcome.message}"
            )
        return ""


def parse(text: str) -> list[Answer]:
    """Read a file of answers: percent format, one cell an answer.

    Raises:
        MalformedAnswers: a cell's head is not ``# %% wrong|right exercise: what is special``.
    """
    found = []
    for part in re.split(r"^(?=# %%)", text, flags=re.M)[1:]:
        line, _, code = part.partition("\n")
        head = HEAD.match(line)
        if head is None:
            raise MalformedAnswers(f"not '# %% wrong|right exercise: what is special': {line!r}")
        found.append(Answer(head[1], head[2], head[3], code.strip()))
    return found


def solutions(entry: Notebook, root: Path = ROOT) -> dict[str, str]:
    """The solution of every exercise, without markers."""
    exercises = (cell for cell in nb.read(entry.source(root)).cells if nb.is_exercise(cell))
    lines = {nb.grade_id(cell): cell.source.splitlines() for cell in exercises}
    return {name: "\n".join(line for line in text if not nb.MARKER.search(line)) for name, text in lines.items()}


def filled(entry: Notebook, codes: dict[str, str], root: Path = ROOT) -> NotebookNode:
    """The released notebook with answers to some exercises, as a student would send it."""
    notebook = nb.read(entry.released(root))
    for cell in notebook.cells:
        cell.source = codes.get(nb.grade_id(cell), cell.source)
    return notebook


def try_all(
    entries: tuple[Notebook, ...], jobs: int = 1, root: Path = ROOT
) -> Iterator[tuple[Notebook, list[Verdict]]]:
    """Run every answer of every notebook, one process a notebook."""
    return _each(entries, partial(try_answers, root=root), jobs)


def try_answers(entry: Notebook, root: Path = ROOT) -> list[Verdict]:
    """Run the answers of one notebook against its tests. The cells before an exercise run with the solutions."""
    if not entry.answers(root).exists():
        raise MalformedAnswers(f"{entry.stem} has no answers: write {entry.answers(root).relative_to(root)}")
    given = parse(entry.answers(root).read_text(encoding="utf-8"))
    source = nb.read(entry.source(root))
    session, verdicts = _session(entry.source(root)), []
    cells = [cell for cell in source.cells if nb.is_run_when_graded(cell)]
    for index, cell in enumerate(cells):
        if nb.is_exercise(cell):
            to_test = _until_test(cells[index + 1 :])
            for answer in (a for a in given if a.exercise == nb.grade_id(cell)):
                verdicts.append(_verdict(session, answer, to_test))
        _run_or_raise(session, cell)
    return verdicts


def unanswered(entry: Notebook, root: Path = ROOT) -> list[str]:
    """What is wrong with the student's notebook before anything is answered.

    Each exercise's test must fail with NotImplementedError, raised in its own stub or in one that its heading *needs*.
    """
    released = nb.read(entry.released(root))
    own = {nb.grade_id(test): nb.grade_id(exercise) for exercise, test in nb.exercises(released) if test}
    needed = nb.needs(released)
    session, problems = _session(entry.released(root)), []
    for cell in released.cells:
        if not nb.is_run_when_graded(cell):
            continue
        name = nb.grade_id(cell) or cell.id
        if not nb.is_test(cell):
            _run_or_raise(session, cell)
            continue
        outcome = in_fork(lambda: session.outcome([(cell.source, name)]))  # noqa: B023 - called at once
        stubs = {own[name], *needed[own[name]]}
        if outcome.error != "NotImplementedError":
            problems.append(f"{name}: unanswered, it ends with {outcome.error or 'no error'}: {outcome.message}")
        elif outcome.cells[-1] not in stubs:
            problems.append(f"{name}: NotImplementedError comes from {outcome.cells[-1]}, not from {sorted(stubs)}")
    return problems


def unanswered_all(
    entries: tuple[Notebook, ...], jobs: int = 1, root: Path = ROOT
) -> Iterator[tuple[Notebook, list[str]]]:
    """:func:`unanswered` for several notebooks, one process a notebook."""
    return _each(entries, partial(unanswered, root=root), jobs)


def _each(entries: tuple[Notebook, ...], task, jobs: int) -> Iterator[tuple]:
    # Answers are forked off: no thread may run in the process, so each thread pool is held at one.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", UNATTENDED: "1"}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        yield from zip(entries, pool.map(task, entries), strict=True)


def _session(path: Path) -> Session:
    return Session(path.parent)


def _run_or_raise(session: Session, cell: NotebookNode) -> None:
    outcome = session.outcome([(cell.source, nb.grade_id(cell) or cell.id)])
    if outcome.error:
        raise RuntimeError(f"cell {nb.grade_id(cell) or cell.id}: {outcome.error}: {outcome.message}")


def _until_test(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells after an exercise, up to and with the test that grades it."""
    end = next(i for i, cell in enumerate(cells) if nb.is_test(cell))
    return cells[: end + 1]


def _verdict(session: Session, answer: Answer, to_test: list[NotebookNode]) -> Verdict:
    before = [(answer.code, answer.exercise)] + [(cell.source, cell.id) for cell in to_test[:-1]]
    test = to_test[-1]
    visible = "\n".join(nb.regions(test.source).visible)
    for part, source in (("visible", visible), ("hidden", test.source)):
        outcome = in_fork(lambda: session.outcome([*before, (source, test.id)]))  # noqa: B023 - called at once
        if outcome.error:
            return Verdict(answer, part, outcome)
    return Verdict(answer, "", outcome)
