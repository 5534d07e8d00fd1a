"""The one place that speaks to nbgrader: its configuration, its converters, its gradebook."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbgrader.converters.base import BaseConverter, NbGraderException
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SAWarning
from traitlets.config import Config, PyFileConfigLoader

from course import ROOT

GRADING = ".grading"

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
