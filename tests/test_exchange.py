"""nbgrader's own commands work with our configuration: release, fetch, validate, submit, collect."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course import grade, release
from course.desk import Desk
from tests import tiny
from tests.hostile import RIGHT


@pytest.fixture
def real(course):
    tiny.as_real_course(course)
    release.release((tiny.ENTRY,), course)
    return course


def nbgrader(folder: Path, *arguments: str, course: Path) -> str:
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=folder, env=tiny.environment(course), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_week_goes_out_and_comes_back_through_nbgraders_exchange(real, tmp_path_factory, bwrap):
    exchange, student = tmp_path_factory.mktemp("exchange"), tmp_path_factory.mktemp("student")
    exchange.chmod(0o777)
    places = [f"--Exchange.root={exchange}"]
    nbgrader(real, "release_assignment", "week01", *places, course=real)
    shutil.copy(real / "nbgrader_config.py", student)
    nbgrader(student, "fetch_assignment", "week01", *places, course=real)
    path = student / "week01" / "week01_tiny.ipynb"
    nbformat.write(tiny.answered(path, RIGHT), path)
    nbgrader(student, "submit", "week01", *places, course=real)
    nbgrader(real, "collect", "week01", *places, course=real)
    desk = Desk(real / ".grading", real)
    [sender] = desk.students("week01")
    [graded] = grade.grade(desk, "week01")
    assert (graded.student, graded.score, graded.reason) == (sender, 4, "all 2 tests passed")
    assert graded.repairs == ()


def test_nbgraders_own_release_is_ours_byte_for_byte(real):
    ours = tiny.ENTRY.released(real).read_bytes()
    nbgrader(real, "generate_assignment", "week01", "--no-db", "--force", course=real)
    assert tiny.ENTRY.released(real).read_bytes() == ours


def test_validate_tells_an_unanswered_notebook_from_an_answered_one(real):
    path = tiny.ENTRY.released(real)
    assert "FAILED" in nbgrader(real, "validate", str(path), course=real)
    nbformat.write(tiny.answered(path, RIGHT | {"why": "Because."}), path)
    assert "passes all the tests" in nbgrader(real, "validate", str(path), course=real)


def test_nbgraders_own_autograder_refuses_to_run_submissions_without_a_sandbox(real):
    grade.prepare(Desk(real / ".grading", real), "week01")
    folder = real / ".grading" / "submitted" / "eve" / "week01"
    folder.mkdir(parents=True)
    shutil.copy(tiny.ENTRY.released(real), folder)
    command = [sys.executable, "-m", "nbgrader", "autograde", "week01", "--student", "eve"]
    done = subprocess.run(command, cwd=real, env=tiny.environment(real), capture_output=True, text=True)
    assert (done.returncode != 0, "make grade" in done.stderr) == (True, True), done.stderr
