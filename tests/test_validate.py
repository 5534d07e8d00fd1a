"""`course validate`: what a student's notebook would pass now, said so that a student can go on."""

from __future__ import annotations

import json
import subprocess
import sys

import nbformat
import pytest

from course import release, validate, work
from tests import tiny
from utils.lab import UNATTENDED


@pytest.fixture
def mine(course, monkeypatch):
    """A student's copy of the tiny week."""
    monkeypatch.setenv(UNATTENDED, "1")
    tiny.as_real_course(course)
    release.release((tiny.ENTRY,), course)
    work.open_week((tiny.ENTRY,), course)
    path = work.copy_of(tiny.ENTRY, course)
    return path


def answer(path, **answers):
    nbformat.write(tiny.answered(path, answers), path)
    return {check.test: check for check in validate.validate(path, path.parents[2]).checks}


DOUBLE, QUADRUPLE = "def double(x):\n    return 2 * x", "def quadruple(x):\n    return 4 * x"
RIGHT = {"double": DOUBLE, "quadruple": QUADRUPLE}


def test_each_test_gets_its_exercise_its_state_and_what_it_said(mine):
    before = mine.read_bytes()
    checks = answer(mine)
    assert {check.state for check in checks.values()} == {validate.UNANSWERED}
    assert mine.read_bytes() == before
    checks = answer(mine, double=DOUBLE, quadruple="def quadruple(x):\n    return 5 * x")
    assert (checks["test_double"].state, checks["test_double"].message) == (validate.PASSED, "")
    assert checks["test_quadruple"].exercise == "Exercise 2 · Quadruple"
    assert (checks["test_quadruple"].state, checks["test_quadruple"].message) == (
        validate.FAILED,
        "four times one is four",
    )


def test_a_cell_that_hangs_is_stopped_and_the_rest_is_asked(mine, monkeypatch):
    monkeypatch.setattr(validate, "TIMEOUT", 1)
    checks = answer(mine, double="def double(x):\n    while True: pass", quadruple=QUADRUPLE)
    assert "and was stopped" in checks["test_double"].message
    assert checks["test_quadruple"].state == validate.PASSED


def test_a_kernel_that_ends_leaves_its_tests_not_run(mine):
    checks = answer(mine, double="import os\n\n\ndef double(x):\n    os._exit(0)", quadruple=QUADRUPLE)
    assert {check.state for check in checks.values()} == {validate.NOT_RUN}


def test_a_notebook_as_colab_saves_it_is_asked_the_released_tests(mine):
    sent = tiny.answered(mine, RIGHT | {"test_double": "pass"})
    for number, cell in enumerate(sent.cells):
        cell.metadata, cell["id"] = {"id": f"x{number}", "outputId": "y"}, f"x{number}"
    sent.nbformat_minor = 0
    elsewhere = mine.with_name("Copy of week01_tiny (1).ipynb")
    elsewhere.write_text(json.dumps(sent))
    validation = validate.validate(elsewhere, mine.parents[2])
    assert validation.passed
    assert "test_double: deleted, put back" in validation.repairs
    assert validation.unwritten == ("why",)


def test_another_file_is_refused_by_name(mine, tmp_path):
    (tmp_path / "thesis.ipynb").write_text("{}")
    with pytest.raises(validate.CannotValidate, match=r"thesis\.ipynb is no released notebook"):
        validate.validate(tmp_path / "thesis.ipynb", mine.parents[2])
    mine.write_text("not JSON")
    with pytest.raises(validate.CannotValidate, match="not valid JSON"):
        validate.validate(mine, mine.parents[2])


@pytest.mark.parametrize(("command", "answers"), [(["course", "validate"], {}), (["course.validate"], RIGHT)])
def test_the_command_reports_and_ends_with_one_where_something_fails(mine, command, answers):
    root = mine.parents[2]
    nbformat.write(tiny.answered(mine, answers), mine)
    run = [sys.executable, "-m", *command, str(mine)]
    done = subprocess.run(run, cwd=root, capture_output=True, text=True, env=tiny.environment(root))
    assert done.returncode == int(answers != RIGHT), done.stdout + done.stderr
    assert f"{len(answers)} of 2 tests pass" in done.stdout


def test_validating_on_colab_needs_no_nbgrader():
    code = "import sys; sys.modules['nbgrader'] = sys.modules['dask'] = None; import course.validate"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
