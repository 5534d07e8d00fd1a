"""From submissions to grades: fans them out, enters results into the gradebook, gives reasons and feedback."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import nbformat
from nbgrader.converters import GenerateAssignment, GenerateFeedback

from course import CourseError, files, gradebook, parallel, publish, submission
from course import notebook as nb
from course.desk import Desk
from course.submission import SANDBOXED, Conditions, Flag, Mark, Result


class GradingFailed(CourseError):
    """Grading could not begin, or could not end."""


@dataclass(frozen=True)
class Grade:
    """What one student gets for one week."""

    student: str
    score: float
    max_score: float
    waiting: float  # points of written answers that a person still has to grade
    reason: str
    repairs: tuple[str, ...] = field(default=())
    flags: tuple[Flag, ...] = field(default=())
    feedback: str = ""


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
        One grade a student, in the order of their names; also written to ``desk.folder/weekNN.csv``.

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
    results = _stored(desk, assignment, everybody)
    left = list(students) or (everybody if exercise else _unfinished(desk, assignment, conditions, results))
    jobs = min(jobs, max(1, len(left)))
    with gradebook.Book(_config(desk, assignment)) as book, parallel.workers(jobs, scheduler) as crew:
        for student in sorted({*everybody} - {*left}):
            _keep(book, assignment, results.get(student))
            done(student)
        examine = partial(submission.examine, desk, assignment, conditions)
        for student, result in parallel.fan_out(crew, examine, left):
            results[student] = _merge(results.get(student), result, test)
            book.enter(assignment, results[student])
            shutil.rmtree(desk.feedback(student, assignment), ignore_errors=True)  # it is about another result
            _store(desk, assignment, results[student])
            done(student)
        grades = [_grade(desk, assignment, book, results[student]) for student in everybody if student in results]
        write_csv(desk.folder / f"{assignment}.csv", grades)
        silent = [s for s in results if s in left or not any(desk.feedback(s, assignment).glob("*.html"))]
        for _ in parallel.fan_out(crew, partial(give_feedback, desk, assignment), silent):
            pass
    return grades


def prepare(desk: Desk, assignment: str) -> None:
    """Enter the week into the gradebook, and lay out what submissions are held against and run with."""
    source = desk.root / "solutions" / assignment
    if not any(source.glob("*.ipynb")):
        raise GradingFailed(f"no solution notebook in solutions/{assignment}: grading needs the instructor's tree")
    desk.folder.mkdir(parents=True, exist_ok=True)
    gradebook.create(desk.gradebook)
    config = _config(desk, assignment)
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


def _config(desk: Desk, assignment: str, student: str = "*"):
    config = gradebook.config(desk)
    config.CourseDirectory.assignment_id, config.CourseDirectory.student_id = assignment, student
    config.BaseConverter.force = True
    return config


def _test_of(desk: Desk, assignment: str, exercise: str) -> str:
    pairs = [pair for book in desk.releases(assignment).values() for pair in nb.exercises(book)]
    tests = {nb.grade_id(cell): nb.grade_id(test) for cell, test in pairs if test}
    if exercise not in tests:
        raise GradingFailed(f"{assignment} has no exercise {exercise!r}. It has: {', '.join(tests)}.")
    return tests[exercise]


def _stored(desk: Desk, assignment: str, students: list[str]) -> dict[str, Result]:
    """The results of earlier runs, as far as the week still has the same cells."""
    books = desk.releases(assignment).items()
    cells = {(stem, nb.grade_id(cell)) for stem, book in books for cell in book.cells if nb.is_graded(cell)}
    found = {}
    for path in (desk.result(student, assignment) for student in students):
        if path.exists():
            stored = json.loads(path.read_text(encoding="utf-8"))
            marks = tuple(Mark(**mark) for mark in stored.pop("marks"))
            flags = tuple(Flag(**flag) for flag in stored.pop("flags"))
            found[path.stem] = Result(**{k: _as_tuple(v) for k, v in stored.items()}, marks=marks, flags=flags)
    return {s: result for s, result in found.items() if {(m.notebook, m.cell) for m in result.marks} == cells}


def _unfinished(desk: Desk, assignment: str, conditions: Conditions, results: dict[str, Result]) -> list[str]:
    """Who has no result, or one of another submission, another week or other conditions."""
    digest = partial(submission.fingerprint, desk, assignment, conditions)
    return [s for s in desk.students(assignment) if s not in results or results[s].digest != digest(s)]


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


def _as_tuple(value):
    return tuple(_as_tuple(v) for v in value) if isinstance(value, list) else value


def _store(desk: Desk, assignment: str, result: Result) -> None:
    path = desk.result(result.student, assignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n")


def _grade(desk: Desk, assignment: str, book: gradebook.Book, result: Result) -> Grade:
    score, most, waiting = book.score(assignment, result.student)
    folder = str(desk.feedback(result.student, assignment))
    return Grade(result.student, score, most, waiting, reason(result), result.repairs, result.flags, folder)


def reason(result: Result) -> str:
    """One sentence about a result: what passed, what did not and why."""
    tests = {mark.cell: mark for mark in result.marks if mark.message}
    failed = {name: mark.message for name, mark in tests.items() if not mark.score}
    if result.fault:
        return result.fault
    if not failed:
        return f"all {len(tests)} tests passed"
    unanswered = [name for name, message in failed.items() if message == "not answered"]
    if len(unanswered) == len(tests):
        return f"nothing answered: {len(tests)} tests open"
    parts = [f"{name.removeprefix('test_')}: {message}" for name, message in failed.items() if name not in unanswered]
    if unanswered:
        parts.append(f"not answered: {', '.join(name.removeprefix('test_') for name in unanswered)}")
    return f"{len(tests) - len(failed)} of {len(tests)} tests passed. {'; '.join(parts)}"


def write_csv(path: Path, grades: list[Grade]) -> None:
    """Write a class's grades, one row a student, for a spreadsheet or a learning platform."""
    text = io.StringIO(newline="")
    rows = csv.DictWriter(text, fieldnames=[*Grade.__dataclass_fields__], lineterminator="\n")
    rows.writeheader()
    for g in grades:
        flags = "; ".join(f"{flag.cell}: {flag.what}" for flag in g.flags)
        rows.writerow(asdict(g) | {"repairs": "; ".join(g.repairs), "flags": flags})
    files.write_text(path, text.getvalue())


def give_feedback(desk: Desk, assignment: str, student: str) -> None:
    """Write a student's feedback page: what was sent, and what each test said."""
    gradebook.convert(GenerateFeedback, _config(desk, assignment, student), GradingFailed)
