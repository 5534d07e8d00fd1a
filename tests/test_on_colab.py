"""The course on a stand-in for Google Colab; see tests/colab_machine.py."""

from __future__ import annotations

import json
import re

import nbformat
import pytest

from course import collect, grade, publish, syllabus
from course import notebook as nb
from course.desk import Desk
from course.submission import SANDBOXED
from tests import colab_machine

FIRST = syllabus.load().notebooks[0]


@pytest.fixture(scope="module")
def machine(tmp_path_factory, bwrap):
    with colab_machine.running(tmp_path_factory.mktemp("colab")) as running:
        yield running


@pytest.fixture(scope="module")
def before(machine):
    """What was installed before a notebook ran."""
    return machine.packages()


def answered(entry) -> nbformat.NotebookNode:
    """A released notebook with the solutions written into it."""
    notebook, solutions = nb.read(entry.released()), {c.id: c.source for c in nb.read(entry.source()).cells}
    for cell in notebook.cells:
        if nb.is_exercise(cell):
            cell.source = solutions[cell.id]
    return notebook


def test_the_stand_in_is_as_strict_as_it_says(machine):
    assert machine.run("touch", "/content/x").returncode == 0
    for place in ("/root", "/tmp", "/usr", "/"):
        assert "Read-only" in machine.run("touch", f"{place}/x").stderr
    found = machine.run(
        str(machine.python / "bin" / "python"), "-c", "import sys; print('google.colab' in sys.modules)"
    )
    assert found.stdout == "True\n", found.stderr


def test_setup_fetches_the_course_and_what_is_graded_runs_and_nothing_moves(machine, before, entry):
    notebook = answered(entry)
    notebook.cells = [cell for cell in notebook.cells if nb.is_run_when_graded(cell)]
    machine.execute(notebook)
    after = machine.packages()
    assert {name: after[name] for name in before} == before
    assert (machine.content / "unified-ai-curriculum" / "syllabus.toml").exists()
    kept = (machine.content / "my-unified-ai-curriculum" / "progress.jsonl").read_text().splitlines()
    passed = {
        event["test"] for event in map(json.loads, kept) if event.get("passed") and event["notebook"] == entry.stem
    }
    assert passed == {nb.grade_id(cell) for cell in notebook.cells if nb.is_test(cell)}


def test_a_whole_week_runs_and_what_colab_saves_of_it_validates_and_is_graded(machine, tmp_path):
    notebook = colab_machine.saved(machine.execute(answered(FIRST)))
    name = f"Copy of {FIRST.stem}.ipynb"
    (machine.content / name).write_text(json.dumps(notebook))
    python = str(machine.python / "bin" / "python")
    done = machine.run(python, "-m", "course.validate", f"/content/{name}", folder="/content/unified-ai-curriculum")
    assert done.returncode == 0, done.stdout + done.stderr
    desk, tests = Desk(tmp_path), sum(map(nb.is_test, nb.read(FIRST.released()).cells))
    desk.submitted("one", FIRST.assignment).mkdir(parents=True)
    (desk.submitted("one", FIRST.assignment) / name).write_text(json.dumps(notebook))
    [graded] = grade.grade(desk, FIRST.assignment, conditions=SANDBOXED)
    assert (graded.reason, graded.flags) == (f"all {tests} tests passed", ()), graded


def test_data_and_models_inside_packages_come_when_they_are_asked_for(machine):
    notebook = nb.read(FIRST.released())
    notebook.cells = [cell for cell in notebook.cells if {nb.PARAMETERS, nb.SETUP} & nb.tags(cell)]
    asks = "from utils import data, zoo\nzoo.efficientnet_lite0()\nzoo.smollm2()\nlen(data.load('shakespeare'))"
    notebook.cells.append(nbformat.v4.new_code_cell(asks))
    machine.execute(notebook)
    assert int(notebook.cells[-1].outputs[-1].data["text/plain"]) > 0


@pytest.mark.parametrize("lost", [(), ("nbgrader",), ("nbgrader", "tags")])
def test_what_colab_saves_can_be_graded_whatever_it_drops(entry, tmp_path, lost):
    notebook = colab_machine.saved(answered(entry))
    for cell in notebook["cells"]:
        cell["metadata"] = {name: value for name, value in cell["metadata"].items() if name not in lost}
    (tmp_path / f"Copy of {entry.stem}.ipynb").write_text(json.dumps(notebook))
    repaired = collect.collect(tmp_path, entry.stem, nb.read(entry.released()))
    assert repaired.fault == ""
    assert {c.id: c.source for c in repaired.notebook.cells} == {c.id: c.source for c in answered(entry).cells}


def test_the_link_under_the_title_leads_to_the_notebook_on_the_student_branch(entry, tmp_path):
    [place] = re.findall(r"/blob/student/([^)]+)\)", nb.read(entry.released()).cells[0].source)
    assert place in {path.as_posix() for path in publish.publish(tmp_path / "student")}
