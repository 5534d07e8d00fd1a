"""Writing a file whole or not at all, whatever interrupts it; and what to do where there is no room for it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from course import CourseError


class DiskFull(CourseError):
    """There is no room left on a disk."""


def write_text(path: Path, text: str) -> None:
    """Give a file new text in one step, so that nobody ever finds half of it."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


@contextmanager
def room_on_disk(folder: Path) -> Iterator[None]:
    """Say so where writing fails for want of room: here, or in the log of a library that is passed on.

    Args:
        folder: where the block writes.

    Raises:
        DiskFull: there is no room left; the message says where and what to do.
    """
    try:
        yield
    except (OSError, CourseError) as error:
        if (full := os.strerror(errno.ENOSPC)) not in str(error):
            raise
        free = shutil.disk_usage(folder).free / 1e6
        remedy = "Nothing that was finished is lost: free some space, and type the same command to go on."
        raise DiskFull(f"{full}: {folder} has {free:.1f} MB left. {remedy}") from error
