"""Runs a notebook's cells in this process, without a kernel: what `answers` and the proofs need, in seconds."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import pickle
import signal
import sys
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

LIMIT = 60  # seconds for one answer


@dataclass(frozen=True)
class Outcome:
    """How some cells ended."""

    error: str = ""  # the exception's class; empty when all ran to the end
    message: str = ""
    cells: tuple[str, ...] = ()  # the cells that the traceback passes through, outermost first
    stderr: str = ""


class Session:
    """A namespace in which cells are executed one after the other, as a kernel would."""

    def __init__(self, folder: Path) -> None:
        """Args:
        folder: the notebook's folder, where its cells find the course.
        """
        os.chdir(folder)
        for name in [name for name in sys.modules if name.split(".")[0] == "utils"]:
            del sys.modules[name]  # `course` imported its own; the notebook finds the one beside its syllabus.toml
        self.module = types.ModuleType("__main__")
        sys.modules["__main__"] = self.module
        self.cells: set[str] = set()

    def run(self, source: str, name: str) -> None:
        """Execute a cell; its exceptions pass through, with the cell's name in the traceback."""
        text = TransformerManager().transform_cell(source)
        file = f"<{name}>"
        self.cells.add(name)
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec"), self.module.__dict__)

    def outcome(self, cells: list[tuple[str, str]]) -> Outcome:
        """Execute (source, name) pairs until one fails, keep quiet, and say how it went."""
        stderr = io.StringIO()
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(stderr):
                for source, name in cells:
                    self.run(source, name)
        except Exception as error:
            frames = [frame.filename[1:-1] for frame in traceback.extract_tb(error.__traceback__)]
            passed = tuple(name for name in frames if name in self.cells)
            return Outcome(type(error).__name__, str(error), passed, stderr.getvalue())
        return Outcome(stderr=stderr.getvalue())


def in_fork(call: Callable[[], Outcome]) -> Outcome:
    """Run a call in a fork of this process, so that nothing that it does reaches the next one.

    Args:
        call: returns an outcome; it may loop for ever, exit or crash.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            signal.alarm(LIMIT)
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(call(), pipe)
        finally:
            os._exit(0)  # not even a SystemExit may continue the parent's work here
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        sent = pipe.read()
    _, status = os.waitpid(child, 0)
    if sent:
        return pickle.loads(sent)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return Outcome("TimeoutError", f"ran longer than {LIMIT} s")
    return Outcome("SystemExit", "the process ended")
