"""A course of one tiny notebook, in the form of the real ones: for tests of the machinery."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course import ROOT
from course import notebook as nb
from course.desk import Desk
from course.syllabus import Notebook

ENTRY = Notebook("week01_tiny", "1.1", "Tiny", "Two functions", "none", 1, (), (), 1, (1, 1))
SETUP = (ROOT / "course" / "setup_cell.txt").read_text(encoding="utf-8")
CHECKPOINT = """from utils.lab import Lab
lab = Lab("week01_tiny", PROFILE, SEED)
lab.checkpoint("speed", 3.0, at_least=2.0, unit="×")"""
DOUBLE = """def double(x):
    \"\"\"Twice x.\"\"\"
    ### BEGIN SOLUTION
    twice_the_number = x + x
    return twice_the_number
    ### END SOLUTION"""
TEST_DOUBLE = """assert double(2) == 4, "twice two is four"
### BEGIN HIDDEN TESTS
hidden_question_about_seven = double(7)
assert hidden_question_about_seven == 14, "double() is wrong for some numbers"
### END HIDDEN TESTS"""
TWICE = """def quadruple(x):
    \"\"\"Four times x.\"\"\"
    ### BEGIN SOLUTION
    return double(double(x))
    ### END SOLUTION"""
TEST_TWICE = """assert quadruple(1) == 4, "four times one is four"
### BEGIN HIDDEN TESTS
assert quadruple(5) == 20, "quadruple() is wrong for some numbers"
### END HIDDEN TESTS"""


def exercise(name: str, source: str):
    return new_code_cell(source, id=name, metadata={"nbgrader": _meta(name, solution=True)})


def graded(name: str, source: str, points: int = 2):
    meta = _meta(name, grade=True, locked=True) | {"points": points}
    return new_code_cell(source, id=name, metadata={"nbgrader": meta})


def _meta(name: str, grade: bool = False, solution: bool = False, locked: bool = False) -> dict:
    flags = {"grade": grade, "solution": solution, "locked": locked, "task": False}
    return {"grade_id": name, "schema_version": 3} | flags


def notebook():
    """A new copy of the tiny solution notebook."""
    written = {"nbgrader": _meta("why", grade=True, solution=True) | {"points": 1}}
    cells = [
        new_markdown_cell("# Week 1 · Tiny\n\nTwo functions.", id="title"),
        new_code_cell('PROFILE = "cpu"\nSEED = 0', id="parameters", metadata={"tags": ["parameters"]}),
        new_code_cell(SETUP, id="setup", metadata={"tags": ["setup"]}),
        exercise("double", DOUBLE),
        graded("test_double", TEST_DOUBLE),
        new_markdown_cell("### Exercise 2 · Quadruple\n\nDifficulty 1/5 · needs: double", id="heading"),
        exercise("quadruple", TWICE),
        graded("test_quadruple", TEST_TWICE),
        new_code_cell(CHECKPOINT, id="checkpoint", metadata={"tags": ["experiment"]}),
        new_markdown_cell("Because four is two times two.", id="why", metadata=written),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=kernel)


def course(root: Path, source=None) -> Path:
    """Write a course of one notebook into a folder: syllabus, pyproject, utils and the solution."""
    for name in ("syllabus.toml", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "utils", root / "utils", ignore=shutil.ignore_patterns("__pycache__"))
    ENTRY.source(root).parent.mkdir(parents=True)
    nbformat.write(source or notebook(), ENTRY.source(root))
    return root


def answered(path: Path, answers: dict[str, str]) -> nbformat.NotebookNode:
    """A released notebook with the cells of some ids filled in."""
    given = nb.read(path)
    for cell in given.cells:
        cell.source = answers.get(cell.id, cell.source)
    return given


def send(desk: Desk, student: str, answers: dict[str, str], *added: nbformat.NotebookNode) -> None:
    """Put a student's submission, with cells that were added at its end, where `course grade` looks."""
    sent = answered(ENTRY.released(desk.root), answers)
    sent.cells += added
    folder = desk.submitted(student, ENTRY.assignment)
    folder.mkdir(parents=True)
    nbformat.write(sent, folder / f"{ENTRY.stem}.ipynb")


def as_real_course(root: Path) -> None:
    """Give a tiny course its own copy of the `course` command, and its notebook a place in the syllabus."""
    shutil.copytree(ROOT / "course", root / "course", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("nbgrader_config.py", "constraints.txt"):
        shutil.copy(ROOT / name, root / name)
    text = (ROOT / "syllabus.toml").read_text(encoding="utf-8")
    text = text.replace("week01_data_pipeline", ENTRY.stem)
    (root / "syllabus.toml").write_text(text, encoding="utf-8")


def environment(root: Path) -> dict[str, str]:
    """For a `course` command that must find its own copy, not the installed one."""
    return os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Interrupted:
    """How a command took Ctrl-C."""

    code: int
    said: str
    left: list[int]  # processes that it started and that are still there a few seconds later


def interrupt(root: Path, arguments: list[str], when: Path) -> Interrupted:
    """Start a `course` command, press Ctrl-C as a terminal does once a file is there, and look for what is left."""
    process = _start(root, arguments, environment(root))
    deadline = time.monotonic() + 60
    while not when.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=10)
    return Interrupted(process.returncode, said, [child.pid for child in alive])


def kill(
    root: Path, arguments: list[str], environ: dict[str, str], after: float, when: Callable[[], bool] = lambda: True
) -> list[int]:
    """Start a `course` command, kill it with its workers some seconds after a condition holds; return what is left."""
    process = _start(root, arguments, environ)
    while not when() and process.poll() is None:
        time.sleep(0.05)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after)
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=10)
    return [child.pid for child in alive]


def _start(root: Path, arguments: list[str], environ: dict[str, str]) -> subprocess.Popen:
    """A `course` command in a group of processes of its own, as a terminal starts one."""
    return subprocess.Popen(
        [sys.executable, "-m", "course", *arguments],
        cwd=root,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
