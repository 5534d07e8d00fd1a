"""The one place that speaks to nbgrader: its configuration, its converters, its gradebook."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from nbgrader.api import Base, Gradebook, MissingEntry
from nbgrader.converters.base import BaseConverter, NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import String
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import Session
from tornado.log import app_log
from traitlets.config import Config, PyFileConfigLoader

from course import ROOT, database
from course.database import Done
from course.desk import Desk
from course.submission import Result

# nbgrader 0.9.6 makes SQLAlchemy 2.1 warn about every new submission; nothing is wrong with what is stored.
warnings.filterwarnings("ignore", category=SAWarning, module="nbgrader")


def config(desk: Desk) -> Config:
    """nbgrader's configuration, from nbgrader_config.py, for a class and its course."""
    loaded = PyFileConfigLoader("nbgrader_config.py", str(ROOT)).load_config()
    directory = loaded.CourseDirectory
    directory.root = str(desk.root)
    directory.submitted_directory = str(desk.folder / "repaired")
    directory.autograded_directory = str(desk.folder / "autograded")
    directory.feedback_directory = str(desk.folder / "feedback")
    directory.db_url = desk.gradebook
    return loaded


def settings(desk: Desk, assignment: str, student: str = "*") -> Config:
    """The configuration for a class's week, and for one student or all."""
    chosen = config(desk)
    chosen.CourseDirectory.assignment_id, chosen.CourseDirectory.student_id = assignment, student
    chosen.BaseConverter.force = True
    return chosen


def create(url: str) -> None:
    """Make nbgrader's tables where they are missing, or where an earlier attempt was interrupted.

    Unlike nbgrader, which makes them without a transaction and then calls another program for the schema's version.

    Raises:
        DatabaseFailed: the database cannot be used; the message says what to do.
    """
    database.check(url)  # a wrong password is said at once; a lock is waited for
    database.patiently(url, partial(_create, url))


def _create(url: str) -> None:
    with database.connection(url) as connection:
        schema = MigrationContext.configure(connection)
        if schema.get_current_heads():
            return
        for column in (column for table in Base.metadata.tables.values() for column in table.columns):
            if type(column.type) is String:
                column.type.length = None  # SQLite does not keep to lengths, and PostgreSQL shall not either
        Base.metadata.create_all(connection)
        schema.stamp(ScriptDirectory(ALEMBIC_DIR), "head")


def convert(converter: type[BaseConverter], settings: Config, error: type[Exception]) -> str:
    """Run one of nbgrader's converters.

    Args:
        converter: such as ``nbgrader.converters.Autograde``.
        settings: from :func:`config`.
        error: what to raise when nbgrader fails; its text is nbgrader's log.

    Returns:
        nbgrader's log.

    Raises:
        DatabaseFailed: the database could not be reached for a minute.
    """

    def attempt() -> str:
        app = converter(coursedir=CourseDirectory(config=settings), config=settings)
        with _captured(app.log) as log, _captured(app_log):
            try:
                app.start()
            except NbGraderException as failure:
                raise error(log.getvalue() or str(failure)) from failure
        return log.getvalue()

    return database.patiently(settings.CourseDirectory.db_url, attempt)


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

    All that it does waits for a database that is locked or away; where that takes more than a minute, it raises
    :class:`course.database.DatabaseFailed`.

    Args:
        settings: from :func:`config`.
    """

    def __init__(self, settings: Config) -> None:
        directory = settings.CourseDirectory
        self._url = directory.db_url
        self._book = database.patiently(self._url, partial(Gradebook, self._url, directory.course_id))

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self._book.engine.dispose()

    def enter(self, assignment: str, result: Result) -> None:
        """Store a result: whole, or not at all. Points and comments that a person gave are kept."""
        self._in_a_transaction(partial(self._enter, assignment, result))

    def holds(self, assignment: str, result: Result) -> bool:
        """Whether a result is there, with the same marks."""
        return self._in_a_transaction(partial(self._holds, assignment, result))

    def score(self, assignment: str, student: str) -> tuple[float, float, float]:
        """A student's points, the most that there are, and how many of those wait for a person."""
        return self._in_a_transaction(partial(self._score, assignment, student))

    def by_hand(self, assignment: str, student: str) -> ByHand:
        """What a person gave, wrote, and still has to look at."""
        return self._in_a_transaction(partial(self._by_hand, assignment, student))

    def _in_a_transaction(self, work: Callable[[], Done]) -> Done:
        def attempt() -> Done:
            # nbgrader commits after each of its steps. Here that only sends them: the whole is committed at the end.
            with (
                _captured(app_log),
                self._book.engine.begin() as connection,
                Session(connection, join_transaction_mode="rollback_only") as self._book.db,
            ):
                return work()

        return database.patiently(self._url, attempt)

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
        book.db.flush()

    def _holds(self, assignment: str, result: Result) -> bool:
        try:
            submission = self._book.find_submission(assignment, result.student)
        except MissingEntry:
            return False
        scores = {(n.name, grade.name): grade.auto_score for n in submission.notebooks for grade in n.grades}
        return scores == {(mark.notebook, mark.cell): mark.score for mark in result.marks}

    def _score(self, assignment: str, student: str) -> tuple[float, float, float]:
        submission = self._book.find_submission(assignment, student)
        grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
        waiting = sum(grade.max_score for grade in grades if grade.needs_manual_grade)
        return submission.score, submission.max_score, waiting

    def _by_hand(self, assignment: str, student: str) -> ByHand:
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
