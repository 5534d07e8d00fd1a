"""The proof of every notebook that is written: it executes, it opens unanswered, nothing leaks, its graders tell."""

from __future__ import annotations

import re

import pytest

from course import answers, check, rehearsal, release, run, site
from course import notebook as nb
from course.submission import SANDBOXED
from course.syllabus import Notebook
from tests import sample_class

WINDOW = 84  # characters in a line of output, where JupyterLab is 1,180 pixels wide
GAPS = re.compile(r"\S {2,}(?=\S)")  # between the columns of a table


def asked_for(request: pytest.FixtureRequest) -> tuple[Notebook, ...]:
    """The notebooks for which this session runs a test that uses the fixture."""
    users = (item for item in request.session.items if request.fixturename in item.fixturenames)
    return tuple(dict.fromkeys(item.callspec.params["entry"] for item in users))


@pytest.fixture(scope="module")
def executed(request) -> dict[Notebook, run.Execution]:
    """Executions at the cpu profile; each takes one core, so two at once."""
    entries = asked_for(request)
    return dict(zip(entries, run.run(entries, jobs=2), strict=True))


@pytest.fixture(scope="module")
def tried(request) -> dict[Notebook, list[answers.Verdict]]:
    """The verdicts on the answers."""
    return dict(answers.try_all(asked_for(request), jobs=2))


def test_the_solution_executes_and_every_checkpoint_passes(entry, executed):
    execution = executed[entry]
    assert execution.error == ""
    assert execution.checkpoints
    assert all(row["passed"] for row in execution.checkpoints)


def test_the_solution_stays_within_three_gigabytes(entry, executed):
    assert executed[entry].peak_mb < 3000


def test_an_executed_solution_writes_nothing_to_standard_error(entry, executed):
    assert printed(entry, "stderr") == []


def test_a_table_that_it_prints_fits_beside_jupyterlabs_list_of_files(entry, executed):
    lines = [line for text in printed(entry, "stdout") for line in text.splitlines()]
    tables = [line for line in lines if len(GAPS.findall(line)) >= 3]
    assert [line for line in tables if len(line.rstrip()) > WINDOW] == []


def printed(entry: Notebook, stream: str) -> list[str]:
    """What an executed solution wrote to a stream, cell by cell."""
    outputs = [out for cell in nb.read(entry.executed()).cells for out in cell.get("outputs", ())]
    return [out.text for out in outputs if out.output_type == "stream" and out.name == stream]


def test_the_notebook_keeps_every_rule(entry):
    assert check.problems(entry) == []


def test_unanswered_exercises_fail_their_own_tests_and_nothing_else_fails(entry):
    [(_, problems)] = answers.unanswered_all((entry,))
    assert problems == []


def test_its_page_on_the_website_shows_no_answer(entry, executed):
    page = site.as_page(nb.read(entry.released()), nb.read(entry.executed()))
    assert check.leaked(nb.read(entry.source()), site.lines(page)) == []


def test_the_release_is_in_sync_byte_for_byte(entry, tmp_path):
    release.strip(entry.assignment, tmp_path)
    fresh = tmp_path / entry.assignment / f"{entry.stem}.ipynb"
    assert entry.released().read_bytes() == fresh.read_bytes(), "run: make notebooks"


def test_graders_reject_wrong_answers_and_accept_right_ones(entry, tried):
    problems = [
        f"{v.answer.exercise}, {v.answer.kind}: {v.answer.about}: {v.problem}" for v in tried[entry] if v.problem
    ]
    assert problems == []


def test_a_class_of_the_answers_is_graded_as_it_deserves(entry, bwrap):
    rehearsed = rehearsal.rehearse(entry, SANDBOXED, jobs=2)
    assert [(r.answer, r.problem) for r in rehearsed if r.problem] == []


def test_each_exercise_has_a_wrong_answer_that_only_the_hidden_part_catches(entry, tried):
    hidden = {v.answer.exercise for v in tried[entry] if v.caught_by == "hidden"}
    assert {nb.grade_id(exercise) for exercise, _ in nb.exercises(nb.read(entry.source()))} - hidden == set()


def test_the_sample_class_is_made_from_the_answers():
    for student, (name, text) in sample_class.submissions().items():
        kept = sample_class.HERE / student / sample_class.ENTRY.assignment / name
        assert kept.read_text(encoding="utf-8") == text, "run: make notebooks"
