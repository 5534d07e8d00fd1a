"""The `course` command: what it says, and exit codes that scripts can trust."""

from __future__ import annotations

import json
import subprocess
import sys

import nbformat
import pytest

from course import ROOT, doctor, release, report, run, syllabus
from tests import tiny


def course_command(*arguments: str, folder=ROOT) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "course", *arguments]
    return subprocess.run(command, cwd=folder, env=tiny.environment(folder), capture_output=True, text=True)


@pytest.fixture
def real(course):
    tiny.as_real_course(course)
    return course


def test_the_list_shows_what_is_there_and_what_is_planned():
    said = course_command("list").stdout
    entries = syllabus.load().notebooks
    assert said.count("planned") == sum(not entry.is_written() for entry in entries)
    written = json.loads(course_command("list", "--json").stdout)
    assert [row["stem"] for row in written] == [entry.stem for entry in entries if entry.is_written()]


@pytest.mark.parametrize("wanted", ["1", "01", "week01", "week01_data_pipeline"])
def test_a_week_is_known_by_its_number_and_its_names(wanted):
    assert [entry.stem for entry in syllabus.load().select(wanted)] == ["week01_data_pipeline"]


def test_a_week_of_two_notebooks_means_both():
    assert len(syllabus.load().select("26")) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["open", "99"], "no week of the course"),
        (["run", "40"], "no week of the course"),
        (["open", "34"], "not released yet"),
        (["check", "34"], "planned"),
        (["grade", "1", "--folder", "nowhere"], "no submissions"),
        (["answers", "1"], "has no answers"),
    ],
)
def test_what_a_person_can_mend_is_one_message_and_code_2(real, arguments, said):
    done = course_command(*arguments, folder=real)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_check_and_answers_end_with_code_1_when_there_is_a_problem(real):
    assert course_command("check", "1", folder=real).returncode == 1
    path = real / "tests" / "answers" / "week01_tiny.py"
    path.parent.mkdir(parents=True)
    path.write_text("# %% wrong double: is right\ndef double(x):\n    return x + x\n")
    done = course_command("answers", "1", folder=real)
    assert done.returncode == 1
    assert "0 of 1 wrong answers rejected" in " ".join(done.stdout.split())
    path.write_text("# %% right double: is right\ndef double(x):\n    return x + x\n")
    assert course_command("answers", "1", folder=real).returncode == 0
    easy = tiny.notebook()
    test = next(cell for cell in easy.cells if cell.id == "test_double")
    test.source = test.source.replace("assert double(2) == 4", "assert True")
    nbformat.write(easy, tiny.ENTRY.source(real))
    release.release((tiny.ENTRY,), real)
    done = course_command("answers", "1", folder=real)
    assert (done.returncode, "it ends with no error" in " ".join(done.stdout.split())) == (1, True)


def test_open_copies_once_and_says_whose_it_is(real):
    (real / "README.md").write_text("<!-- syllabus: made by `make notebooks` --><!-- end of syllabus -->")
    assert course_command("release", "1", folder=real).returncode == 0
    assert "copied to work/week01/week01_tiny.ipynb" in course_command("open", "1", folder=real).stdout
    assert "yours, untouched" in course_command("open", "1", folder=real).stdout


def test_the_doctor_ends_with_code_1_when_something_is_missing(monkeypatch):
    from typer.testing import CliRunner

    from course import cli

    monkeypatch.setattr(
        doctor, "examine", lambda: [doctor.Finding("git", False, "not found", "sudo apt-get install git")]
    )
    result = CliRunner().invoke(cli.app, ["doctor"])
    assert result.exit_code == 1
    assert "sudo apt-get install git" in result.output
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("GPU", False, "none", "", optional=True)])
    assert CliRunner().invoke(cli.app, ["doctor"]).exit_code == 0


def test_a_notebook_without_a_checkpoint_is_no_success(real):
    source = tiny.notebook()
    source.cells = [cell for cell in source.cells if cell.id != "checkpoint"]
    nbformat.write(source, tiny.ENTRY.source(real))
    [execution] = run.run((tiny.ENTRY,), root=real)
    assert not execution.passed
    assert report.checkpoint_table([execution]).row_count == 1
