"""Every submission ends with a score and a reason; what could be graded before a fault keeps its points."""

from __future__ import annotations

import csv

import nbformat
import pytest

from course import grade, release
from course import notebook as nb
from tests import tiny

RIGHT = {"double": "def double(x):\n    return 2 * x", "quadruple": "def quadruple(x):\n    return 4 * x"}
PRINTS_HIDDEN = "print(get_ipython().user_ns['In'])\n" + RIGHT["quadruple"]  # the test of double, as it was run
SUBMISSIONS = {
    # student: answers, score of 4, what the reason says
    "right": (RIGHT, 4, "all 2 tests passed"),
    "empty": ({}, 0, "nothing answered"),
    "hidden": (RIGHT | {"double": "def double(x):\n    return {2: 4, 1: 2}.get(x, 0)"}, 2, "wrong for some numbers"),
    "visible": (RIGHT | {"double": "def double(x):\n    return x"}, 2, "twice two is four"),
    "crashes": (RIGHT | {"double": "def double(x):\n    return x.y"}, 2, "AttributeError"),
    "no_syntax": (RIGHT | {"double": "def double(x)\n    return 2 * x"}, 2, "NameError"),
    "exits": (RIGHT | {"quadruple": "def quadruple(x):\n    import os; os._exit(0)"}, 2, "the program ended"),
    "loops": (RIGHT | {"quadruple": "def quadruple(x):\n    while True: pass"}, 2, "ran longer than 4 s"),
    "stubborn": (
        RIGHT
        | {
            "double": "import signal\ndef double(x):\n    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
            "    while True: pass"
        },
        0,
        "an earlier cell could not be stopped",
    ),
    "warns": (
        RIGHT | {"double": "import sys\ndef double(x):\n    print('hm', file=sys.stderr)\n    return 2 * x"},
        4,
        "all 2",
    ),
    "system_exit": (RIGHT | {"double": "def double(x):\n    raise SystemExit"}, 2, "SystemExit"),
    "prints_hidden": (RIGHT | {"quadruple": PRINTS_HIDDEN}, 4, "all 2 tests passed"),
}


def send(desk: grade.Desk, student: str, answers: dict[str, str]) -> None:
    notebook = nb.read(tiny.ENTRY.released(desk.root))
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    folder = desk.submitted(student, "week01")
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "week01_tiny.ipynb")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class of every kind, graded once."""
    root = tiny.course(tmp_path_factory.mktemp("class"))
    release.release((tiny.ENTRY,), root)
    desk = grade.Desk(root / ".grading", root)
    for student, (answers, _, _) in SUBMISSIONS.items():
        send(desk, student, answers)
    broken = desk.submitted("broken", "week01")
    broken.mkdir(parents=True)
    (broken / "week01_tiny.ipynb").write_text("{")
    sent = {path: path.read_bytes() for path in sorted((desk.folder / "submitted").rglob("*.ipynb"))}
    grades = grade.grade(desk, "week01", jobs=2, timeout=4)
    return desk, {g.student: g for g in grades}, sent


@pytest.mark.parametrize("student", SUBMISSIONS)
def test_a_submission_gets_its_score_and_reason(graded, student):
    _, score, reason = SUBMISSIONS[student]
    got = graded[1][student]
    assert (got.score, got.max_score) == (score, 5)
    assert reason in got.reason


def test_a_broken_file_scores_zero_with_the_reason_and_is_in_the_gradebook(graded):
    got = graded[1]["broken"]
    assert (got.score, got.max_score) == (0, 5)
    assert "not valid JSON" in got.reason


def test_submissions_are_kept_as_they_came(graded):
    _, _, sent = graded
    assert {path: path.read_bytes() for path in sent} == sent


def test_the_csv_has_a_row_for_everybody(graded):
    desk, grades, _ = graded
    with (desk.folder / "week01.csv").open() as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows.keys() == grades.keys()
    assert all(float(rows[s]["score"]) == grades[s].score and rows[s]["reason"] for s in rows)


def test_feedback_shows_verdicts_and_no_hidden_test(graded):
    desk, grades, _ = graded
    pages = {s: (desk.folder / "feedback" / s / "week01" / "week01_tiny.html").read_text() for s in grades}
    assert not [student for student, page in pages.items() if "hidden_question_about_seven" in page]
    assert "double() is wrong for some numbers" in pages["hidden"]
    assert "not answered" in pages["empty"]


def test_the_instructor_can_see_what_the_grading_run_printed(graded):
    desk, _, _ = graded
    executed = nb.read(desk.folder / "autograded" / "prints_hidden" / "week01" / "week01_tiny.ipynb")
    [printed] = [out.text for cell in executed.cells if cell.id == "quadruple" for out in cell.outputs]
    assert "hidden_question_about_seven" in printed


def test_grading_again_gives_the_same_grades(graded):
    desk, grades, _ = graded
    again = grade.grade_one(desk, "week01", 4, "right")
    assert again == grades["right"]


def test_a_week_without_submissions_is_refused_by_name(course):
    with pytest.raises(grade.GradingFailed, match="no submissions"):
        grade.grade(grade.Desk(course / ".grading", course), "week01")


def test_a_foreign_utils_does_no_harm_when_grading(course, foreign_utils):
    release.release((tiny.ENTRY,), course)
    desk = grade.Desk(course / ".grading", course)
    send(desk, "right", RIGHT)
    [got] = grade.grade(desk, "week01")
    assert (got.score, got.reason) == (4, "all 2 tests passed")


def test_a_submission_that_nbgrader_gives_up_on_scores_zero_of_the_real_maximum(course, monkeypatch):
    release.release((tiny.ENTRY,), course)
    desk = grade.Desk(course / ".grading", course)
    send(desk, "right", RIGHT)
    grade.prepare(desk, "week01")

    def gives_up(*_):
        raise grade.GradingFailed("Traceback\nRuntimeError: no kernel\nPlease see above")

    monkeypatch.setattr(grade.gradebook, "convert", gives_up)
    got = grade.grade_one(desk, "week01", 4, "right")
    assert (got.score, got.max_score) == (0, 5)
    assert got.reason.startswith("could not be graded: RuntimeError: no kernel; see ")


def test_an_interrupted_grading_leaves_no_kernel_and_can_be_done_again(course):
    """Ctrl-C in the middle of a submission: the command ends with 130; the next one grades everybody."""
    release.release((tiny.ENTRY,), course)
    tiny.as_real_course(course)
    desk = grade.Desk(course / ".grading", course)
    started = course / "started"
    waits = f"import pathlib, time\ndef double(x):\n    pathlib.Path({str(started)!r}).touch()\n    time.sleep(600)"
    send(desk, "ada", RIGHT)
    send(desk, "slow", RIGHT | {"double": waits})
    interrupted = tiny.interrupt(course, ["grade", "1"], when=started)
    assert (interrupted.code, "Nothing is broken" in interrupted.said) == (130, True), interrupted.said
    assert interrupted.left == []
    grades = {g.student: g.score for g in grade.grade(desk, "week01", timeout=2)}
    assert grades == {"ada": 4, "slow": 2}
