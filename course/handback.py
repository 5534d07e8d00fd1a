"""What instructors and students read once there are grades: CSV, the class's report, and each student's feedback."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from distributed import Client
from nbgrader.converters import GenerateFeedback

from course import CourseError, class_report, files, gradebook, parallel, results
from course.desk import Desk
from course.gradebook import Book, ByHand
from course.results import Grade
from course.submission import Result

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs text that begins so
LONGEST = 32_000  # characters; a spreadsheet's cell holds 32,767


class HandbackFailed(CourseError):
    """There is nothing to report on, or feedback could not be written."""


@dataclass(frozen=True)
class Handback:
    """What was written: everybody's grade, and whose feedback had to be written (again)."""

    grades: list[Grade]
    rewritten: list[str]


def report(desk: Desk, assignment: str, *, jobs: int = 1, scheduler: str | None = None) -> Handback:
    """Write a week's CSV and report, and the feedback that has changed, from what is stored; nothing is run.

    Args:
        desk: the class.
        assignment: the week, such as ``"week01"``.
        jobs, scheduler: see :func:`course.parallel.workers`.

    Raises:
        HandbackFailed: nobody's submission was graded yet, the gradebook lacks grades, or a feedback page could not be
            written.
        DatabaseFailed: the gradebook cannot be used.
    """
    first = f"First: make grade WEEK={int(assignment[4:6])}"
    found = results.stored(desk, assignment, desk.students(assignment))
    if not found:
        raise HandbackFailed(f"{assignment} has no grades in {desk.folder}. {first}")
    gradebook.create(desk.gradebook)
    with Book(gradebook.settings(desk, assignment)) as book:
        if lost := sum(not book.holds(assignment, result) for result in found.values()):
            raise HandbackFailed(f"The gradebook lacks {lost} of {len(found)} grades of {assignment}. {first}")
        with parallel.workers(jobs, scheduler) as crew:
            return hand_back(desk, assignment, book, crew)


def hand_back(desk: Desk, assignment: str, book: Book, crew: Client) -> Handback:
    """The same as :func:`report`, with a gradebook and workers that are open already."""
    everybody = desk.students(assignment)
    stored = results.stored(desk, assignment, everybody)
    found = {student: result for student, result in stored.items() if book.holds(assignment, result)}
    by_hand = {student: book.by_hand(assignment, student) for student in found}
    grades = [_grade(desk, assignment, book, result) for result in found.values()]
    write_csv(desk.table(assignment), grades)
    class_report.write(desk, assignment, grades, found, by_hand)
    digests = {g.student: _digest(found[g.student], by_hand[g.student], g.score) for g in grades}
    stale = [student for student, digest in digests.items() if _last_digest(desk, assignment, student) != digest]
    for student, _ in parallel.fan_out(crew, partial(give_feedback, desk, assignment), stale):
        files.write_text(desk.feedback_digest(student, assignment), digests[student])
    return Handback(grades, stale)


def _grade(desk: Desk, assignment: str, book: Book, result: Result) -> Grade:
    score, most, waiting = book.score(assignment, result.student)
    folder = str(desk.feedback(result.student, assignment))
    return Grade(result.student, score, most, waiting, results.reason(result), result.repairs, result.flags, folder)


def _digest(result: Result, by_hand: ByHand, score: float) -> str:
    """Of all that a feedback page shows."""
    given = sorted(by_hand.points.items()), sorted(by_hand.comments.items())
    return hashlib.sha256(json.dumps([asdict(result), given, score]).encode()).hexdigest()


def _last_digest(desk: Desk, assignment: str, student: str) -> str:
    path = desk.feedback_digest(student, assignment)
    there = path.exists() and any(desk.feedback(student, assignment).glob("*.html"))
    return path.read_text(encoding="utf-8") if there else ""


def write_csv(path: Path, grades: list[Grade]) -> None:
    """Write a class's grades, one row a student, for a spreadsheet or a learning platform."""
    text = io.StringIO(newline="")
    # Text in quotes: otherwise a carriage return in it would begin a new row.
    style = {"quoting": csv.QUOTE_NONNUMERIC, "lineterminator": "\n"}
    rows = csv.DictWriter(text, fieldnames=[*Grade.__dataclass_fields__], **style)
    rows.writeheader()
    for g in grades:
        flags = "; ".join(f"{flag.cell}: {flag.what}" for flag in g.flags)
        row = asdict(g) | {"repairs": "; ".join(g.repairs), "flags": flags}
        rows.writerow({name: as_text(value) if isinstance(value, str) else value for name, value in row.items()})
    files.write_text(path, text.getvalue())


def as_text(value: str) -> str:
    """Text that a spreadsheet takes for text: an apostrophe goes before what it would take for a formula."""
    return ("'" if value.startswith(FORMULA) else "") + value[:LONGEST]


def give_feedback(desk: Desk, assignment: str, student: str) -> None:
    """Write a student's feedback page: what was sent, and what each test said."""
    gradebook.convert(GenerateFeedback, gradebook.settings(desk, assignment, student), HandbackFailed)
