"""The gradebook's database: which one it is, what to do where it cannot be used, and patience while it is away."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import Engine, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from course import CourseError

VARIABLE = "GRADEBOOK_URL"
PATIENCE = 60  # seconds for a database that is locked or away
FULL = ("SQLITE_FULL", "53100")  # how SQLite and PostgreSQL say that their disk is full

FORM = (
    "Write postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, in the password %40 for @, %3A for : and %2F for /; "
    "or unset it, for SQLite. See docs/instructors.md."
)

Done = TypeVar("Done")


class DatabaseFailed(CourseError):
    """The gradebook's database cannot be used."""


def named() -> str:
    """The URL of the database that the environment names; empty where it names none."""
    return os.environ.get(VARIABLE, "")


def check(url: str) -> None:
    """See that a database answers.

    Raises:
        DatabaseFailed: it does not; the message says what to do.
    """
    with connection(url):
        pass


@contextmanager
def connection(url: str) -> Iterator[Connection]:
    """A connection with a transaction that ends with the block.

    Raises:
        DatabaseFailed: the URL is not one, or nobody answers there; the message says what to do and hides the password.
    """
    engine = _engine(url)
    try:
        with engine.begin() as connected:
            yield connected
    except DBAPIError as error:
        raise DatabaseFailed(_message(url, error)) from error
    finally:
        engine.dispose()


def patiently(url: str, work: Callable[[], Done]) -> Done:
    """Do something with a database, and again for a minute while it is locked or away.

    nbgrader catches the database's errors and raises others in their place, so they are heard where they begin.

    Args:
        url: the database.
        work: does nothing, or nothing that harms when done again, where it ends with an exception.

    Returns:
        What ``work`` returns.

    Raises:
        DatabaseFailed: the database is still away, or its disk is full.
    """
    until = time.monotonic() + PATIENCE
    while True:
        with _overheard() as errors:
            try:
                return work()
            except Exception as failure:
                if not errors:
                    raise
                if _is_full(errors[-1]) or time.monotonic() > until:
                    raise DatabaseFailed(_message(url, errors[-1])) from failure
        time.sleep(0.5)


def _engine(url: str) -> Engine:
    try:
        engine = create_engine(url)
        if "@" in (engine.url.host or ""):
            raise ValueError("the end of a password stands where the host should")
    except NoSuchModuleError as error:
        raise DatabaseFailed(f"{VARIABLE} begins with a kind of database that is not known. {FORM}") from error
    except (ArgumentError, ValueError):  # whose text can hold the password
        raise DatabaseFailed(f"{VARIABLE} is not the URL of a database. {FORM}") from None
    except ModuleNotFoundError as error:
        remedy = "For PostgreSQL: make install EXTRAS=postgresql."
        raise DatabaseFailed(f"{VARIABLE} needs the Python package {error.name}. {remedy} {FORM}") from error
    return engine


def shown(url: str) -> str:
    """A URL that can be shown: without its password, and without its query, which can hold one, too."""
    return make_url(url).set(query={}).render_as_string(hide_password=True)


@contextmanager
def _overheard() -> Iterator[list[OperationalError]]:
    errors: list[OperationalError] = []

    def note(context: ExceptionContext) -> None:
        if isinstance(context.sqlalchemy_exception, OperationalError):
            errors.append(context.sqlalchemy_exception)

    event.listen(Engine, "handle_error", note)
    try:
        yield errors
    finally:
        event.remove(Engine, "handle_error", note)


def _is_full(error: DBAPIError) -> bool:
    return any(getattr(error.orig, name, "") in FULL for name in ("sqlite_errorname", "sqlstate"))


def _message(url: str, error: DBAPIError) -> str:
    if _is_full(error):
        return f"{shown(url)}: its disk is full. Nothing is lost: free some space there, and type the same command."
    said = " ".join(str(error.orig).split())
    remedy = f"see that it runs, that nobody locks it and that {VARIABLE} is right, and type the same command."
    return f"{shown(url)} cannot be used: {said}. Nothing is lost: {remedy}"
