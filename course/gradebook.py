"""The one place that speaks to nbgrader: its configuration, its converters, its gradebook."""

from __future__ import annotations

import io
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.converters.base import BaseConverter, NbGraderException
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import OperationalError, SAWarning
from traitlets.config import Config, PyFileConfigLoader

from course import ROOT
from course.desk import Desk
from course.submission import Result

GRADING = ".grading"
PATIENCE = 60  # seconds for a database that is locked or away

# nbgrader 0.9.6 makes SQLAlchemy 2.1 warn about every new submission; nothing is wrong with what is stored.
warnings.filterwarnings("ignore", category=SAWarning, module="nbgrader")


def config(root: Path = ROOT, grading: Path | None = None) -> Config:
    """nbgrader's configuration, from nbgrader_config.py.

    Args:
        root: the course.
        grading: another folder than ``.grading`` for submissions, gradebook and feedback.
    """
    loaded = PyFileConfigLoader("nbgrader_config.py", str(ROOT)).load_config()
    directory = loaded.CourseDirectory
    directory.root = str(root)
    grading = grading or root / GRADING
    directory.submitted_directory = str(grading / "repaired")
    directory.autograded_directory = str(grading / "autograded")
    directory.feedback_directory = str(grading / "feedback")
    # Several workers write at once: each waits up to a minute for its turn.
    directory.db_url = f"sqlite:///{grading}/gradebook.db?timeout=60"
    return loaded


def settings(desk: Desk, assignment: str, student: str = "*") -> Config:
    """The configuration for a class's week, and for one student or all."""
    chosen = config(desk.root, desk.folder)
    chosen.CourseDirectory.assignment_id, chosen.CourseDirectory.student_id = assignment, student
    chosen.BaseConverter.force = True
    return chosen


def convert(converter: type[BaseConverter], settings: Config, error: type[Exception]) -> str:
    """Run one of nbgrader's converters.

    Args:
        converter: such as ``nbgrader.converters.Autograde``.
        settings: from :func:`config`.
        error: what to raise when nbgrader fails; its text is nbgrader's log.

    Returns:
        nbgrader's log.
    """
    app = converter(coursedir=CourseDirectory(config=settings), config=settings)
    with _captured(app.log) as log:
        try:
            app.start()
        except NbGraderException as failure:
            raise error(log.getvalue() or str(failure)) from failure
    return log.getvalue()


@dataclass(frozen=True)
class ByHand:
    """What a person did with one submission, and what is left to do. Cells are named by (notebook, id).

    Attributes:
        points: given, by cell.
        comments: written, by cell.
        waiting: points of each cell that still waits for a person.
    """

    points: dict[tuple[str, str], float]
    comments: dict[tuple[str, str], str]
    waiting: dict[tuple[str, str], float]


class Book:
    """nbgrader's gradebook, with one writer. Its time for a class is that of a few statements a student.

    Args:
        settings: from :func:`config`.
    """

    def __init__(self, settings: Config) -> None:
        directory = settings.CourseDirectory
        self._book = Gradebook(directory.db_url, directory.course_id)

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self._book.close()

    def enter(self, assignment: str, result: Result) -> None:
        """Store a result: whole, or not at all. Points and comments that a person gave are kept.

        Raises:
            OperationalError: the database could not be reached for a minute.
        """
        again_until = time.monotonic() + PATIENCE
        while True:
            try:
                self._enter(assignment, result)
                return
            except OperationalError:
                self._book.db.rollback()
                if time.monotonic() > again_until:
                    raise
                time.sleep(0.5)

    def _enter(self, assignment: str, result: Result) -> None:
        book = self._book
        when = {"timestamp": result.timestamp} if result.timestamp else {}
        book.update_or_create_student(result.student)
        submission = book.update_or_create_submission(assignment, result.student, **when)
        marks = {(mark.notebook, mark.cell): mark for mark in result.marks}
        for notebook in submission.notebooks:
            for grade in notebook.grades:
                mark = marks[notebook.name, grade.name]
                grade.auto_score = mark.score
                # As nbgrader does: what a person graded once is looked at again, since the answer may be another.
                grade.needs_manual_grade = grade.manual_score is not None or mark.score is None
            for comment in notebook.comments:
                comment.auto_comment = "No response." if (notebook.name, comment.name) in result.empty else None
        book.db.commit()

    def score(self, assignment: str, student: str) -> tuple[float, float, float]:
        """A student's points, the most that there are, and how many of those wait for a person."""
        submission = self._book.find_submission(assignment, student)
        grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
        waiting = sum(grade.max_score for grade in grades if grade.needs_manual_grade)
        return submission.score, submission.max_score, waiting

    def by_hand(self, assignment: str, student: str) -> ByHand:
        """What a person gave, wrote, and still has to look at."""
        notebooks = self._book.find_submission(assignment, student).notebooks
        grades = {(book.name, grade.name): grade for book in notebooks for grade in book.grades}
        comments = {(book.name, c.name): c.manual_comment for book in notebooks for c in book.comments}
        return ByHand(
            {cell: grade.manual_score for cell, grade in grades.items() if grade.manual_score is not None},
            {cell: text for cell, text in comments.items() if text},
            {cell: grade.max_score for cell, grade in grades.items() if grade.needs_manual_grade},
        )


@contextmanager
def _captured(log: logging.Logger) -> Iterator[io.StringIO]:
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handlers, log.handlers, propagate, log.propagate = log.handlers, [handler], log.propagate, False
    log.setLevel(logging.INFO)
    try:
        yield text
    finally:
        log.handlers, log.propagate = handlers, propagate
