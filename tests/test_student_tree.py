"""The student's tree, built from this course in an empty folder, does its own set-up and opens week 1."""

from __future__ import annotations

import os
import subprocess
import urllib.request

import pytest
from nbclient import NotebookClient

from course import ROOT, publish, syllabus
from course import notebook as nb
from tests import jupyterlab

FIRST = syllabus.load().notebooks[0]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("student") / "tree"
    publish.publish(folder)
    return folder


def test_it_holds_no_line_that_only_a_solution_or_a_hidden_test_has(tree):
    public_code = (".py", ".safetensors")  # what utils and course say is no secret
    files = (path for path in tree.rglob("*") if path.is_file() and path.suffix not in public_code)
    public = "\n".join(path.read_text(encoding="utf-8").replace('\\"', '"') for path in files)  # JSON escapes quotes
    for entry in syllabus.load().notebooks:
        if not entry.source().exists():
            continue
        parts = [nb.regions(cell.source) for cell in nb.read(entry.source()).cells]
        visible = "\n".join(line for part in parts for line in part.visible)
        secret = {line.strip() for part in parts for line in (*part.solution, *part.hidden)}
        assert [line for line in secret if len(line) > 30 and line not in visible and line in public] == []


def test_it_lacks_what_is_for_instructors(tree):
    names = {path.relative_to(tree).as_posix() for path in tree.rglob("*")}
    assert not names & {"solutions", "tests", "docs/instructors.md", ".github", ".ci"}


def test_commands_that_cannot_work_there_say_so(tree):
    for verb in ("release", "run", "answers", "check", "grade 1", "report 1", "formgrader", "publish x", "site"):
        command = [str(ROOT / ".venv" / "bin" / "python"), "-m", "course", *verb.split()]
        environment = os.environ | {"PYTHONPATH": str(tree)}
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, env=environment)
        assert (done.returncode, "student's tree" in done.stderr) == (2, True), (verb, done.stdout + done.stderr)


@pytest.mark.parametrize(
    "verb", ["notebooks", "run", "grade", "report", "formgrader", "publish", "site", "test", "browser", "bench"]
)
def test_make_says_so_too_before_it_downloads_anything(tree, verb):
    done = subprocess.run(["make", verb], cwd=tree, capture_output=True, text=True)
    assert (done.returncode, "student's tree" in done.stdout) == (2, True), done.stdout + done.stderr
    assert not (tree / ".venv").exists()


def test_make_start_there_opens_week_1(student_tree):
    with jupyterlab.started(["make", "start"], student_tree) as address:
        place = f"{address}/api/contents/week01/{FIRST.stem}.ipynb?token=t"
        with urllib.request.urlopen(place, timeout=20) as reply:
            assert b"write your answer here" in reply.read()
    assert f"/lab/tree/week01/{FIRST.stem}" in (student_tree / "jupyterlab.log").read_text()
    assert (student_tree / ".venv" / "bin" / "course").exists()


def test_a_foreign_utils_does_no_harm_there(tree, foreign_utils):
    notebook = nb.read(FIRST.released(tree))
    setup = next(i for i, cell in enumerate(notebook.cells) if nb.SETUP in nb.tags(cell))
    notebook.cells = notebook.cells[: setup + 1]
    folder = {"metadata": {"path": str(FIRST.released(tree).parent)}}
    NotebookClient(notebook, kernel_name="python3", resources=folder).execute()
