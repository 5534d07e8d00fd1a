"""From submissions to grades: fans them out and enters their results into the gradebook."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import nbformat
from nbgrader.converters import GenerateAssignment

from course import CourseError, files, gradebook, handback, parallel, publish, results, submission
from course import notebook as nb
from course.desk import Desk
from course.results import Grade
from course.submission import SANDBOXED, Conditions, Result


class GradingFailed(CourseError):
    """Grading could not begin, or could not end."""


def grade(
    desk: Desk,
    assignment: str,
    *,
    conditions: Conditions = SANDBOXED,
    students: Sequence[str] = (),
    exercise: str = "",
    jobs: int = 1,
    scheduler: str | None = None,
    done: Callable[[str], None] = lambda student: None,
) -> list[Grade]:
    """Grade every submission of a week; what was graded already, and has not changed since, is kept.

    Args:
        desk: where the submissions lie.
        assignment: the week, such as ``"week01"``.
        conditions: how submissions are run.
        students: grade these, and nobody else, whether or not something has changed.
        exercise: grade this one again, for everybody or for those students, and leave all other marks as they are.
        jobs, scheduler: see :func:`course.parallel.workers`.
        done: called with each student whose grade is in the gradebook.

    Returns:
        One grade a student, in the order of their names; also handed back, see :func:`course.handback.report`.

    Raises:
        GradingFailed: there is nothing to grade, the week has no solution notebook, or a submission could not be run
            through no fault of its own.
        NoSandbox: submissions cannot be locked up on this machine.
        DatabaseFailed: the gradebook cannot be used.
    """
    everybody = desk.students(assignment)
    for missing in sorted({*students} - {*everybody}) or ([] if everybody else ["STUDENT"]):
        raise GradingFailed(f"no submissions: {desk.submitted(missing, assignment)} does not exist")
    if conditions.isolation:
        conditions.isolation.check()
    prepare(desk, assignment)
    test = _test_of(desk, assignment, exercise) if exercise else ""
    before = _of_this_week(desk, assignment, results.stored(desk, assignment, everybody))
    left = list(students) or (everybody if exercise else _unfinished(desk, assignment, conditions, before))
    jobs = min(jobs, max(1, len(left)))
    with gradebook.Book(gradebook.settings(desk, assignment)) as book, parallel.workers(jobs, scheduler) as crew:
        for student in sorted({*everybody} - {*left}):
            _keep(book, assignment, before.get(student))
            done(student)
        examine = partial(submission.examine, desk, assignment, conditions)
        for student, result in parallel.fan_out(crew, examine, left):
            merged = _merge(before.get(student), result, test)
            book.enter(assignment, merged)
            results.store(desk, assignment, merged)
            done(student)
        return handback.hand_back(desk, assignment, book, crew).grades


def prepare(desk: Desk, assignment: str) -> None:
    """Enter the week into the gradebook, and lay out what submissions are held against and run with."""
    source = desk.root / "solutions" / assignment
    if not any(source.glob("*.ipynb")):
        raise GradingFailed(f"no solution notebook in solutions/{assignment}: grading needs the instructor's tree")
    desk.folder.mkdir(parents=True, exist_ok=True)
    gradebook.create(desk.gradebook)
    config = gradebook.settings(desk, assignment)
    config.CourseDirectory.student_id = "."
    config.CourseDirectory.release_directory = str(desk.folder / "release")
    gradebook.convert(GenerateAssignment, config, GradingFailed)
    desk.master(assignment).mkdir(parents=True, exist_ok=True)
    for stem, release in desk.releases(assignment).items():
        tests = {nb.grade_id(cell): cell.source for cell in nb.read(source / f"{stem}.ipynb").cells if nb.is_test(cell)}
        for cell in filter(nb.is_test, release.cells):
            cell.source = tests[nb.grade_id(cell)]
        files.write_text(desk.master(assignment) / f"{stem}.ipynb", nbformat.writes(release) + "\n")
    publish.publish_for_grading(desk.room(assignment), int(assignment[4:6]), desk.root)
    work = desk.room(assignment) / "work" / assignment
    work.mkdir(parents=True)
    for path in (desk.folder / "release" / assignment).iterdir():
        if path.is_file() and path.suffix != ".ipynb":
            shutil.copyfile(path, work / path.name)


def _test_of(desk: Desk, assignment: str, exercise: str) -> str:
    pairs = [pair for book in desk.releases(assignment).values() for pair in nb.exercises(book)]
    tests = {nb.grade_id(cell): nb.grade_id(test) for cell, test in pairs if test}
    if exercise not in tests:
        raise GradingFailed(f"{assignment} has no exercise {exercise!r}. It has: {', '.join(tests)}.")
    return tests[exercise]


def _of_this_week(desk: Desk, assignment: str, before: dict[str, Result]) -> dict[str, Result]:
    """The results that mark the cells that the week has now."""
    books = desk.releases(assignment).items()
    cells = {(stem, nb.grade_id(cell)) for stem, book in books for cell in book.cells if nb.is_graded(cell)}
    return {student: r for student, r in before.items() if {(m.notebook, m.cell) for m in r.marks} == cells}


def _unfinished(desk: Desk, assignment: str, conditions: Conditions, before: dict[str, Result]) -> list[str]:
    """Who has no result, or one of another submission, another week or other conditions."""
    digest = partial(submission.fingerprint, desk, assignment, conditions)
    return [s for s in desk.students(assignment) if s not in before or before[s].digest != digest(s)]


def _keep(book: gradebook.Book, assignment: str, result: Result | None) -> None:
    """Enter a stored result again where the gradebook lacks it: it was deleted, or is a backup or a new database."""
    if result and not book.holds(assignment, result):
        book.enter(assignment, result)


def _merge(before: Result | None, now: Result, test: str) -> Result:
    """A new result; where one test alone was wanted again, the old one with the new mark of that test."""
    if not (before and test):
        return now
    fresh = {(mark.notebook, mark.cell): mark for mark in now.marks if mark.cell == test}
    return replace(before, marks=tuple(fresh.get((mark.notebook, mark.cell), mark) for mark in before.marks))
