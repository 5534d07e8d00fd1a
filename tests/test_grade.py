"""Every submission ends with a score and a reason; what could be graded before a fault keeps its points."""

from __future__ import annotations

import csv
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from multiprocessing import resource_tracker
from pathlib import Path

import psutil
import pytest

from course import grade, release, results, submission
from course import notebook as nb
from course.desk import Desk
from course.sandbox import MB, Bubblewrap, Limits, NoSandbox
from course.submission import Conditions
from tests import hostile, tiny
from tests.hostile import LOOKS_AROUND, RIGHT

QUICK = Conditions(Bubblewrap(), timeout=6, limits=Limits(memory=2000 * MB))


@pytest.fixture(scope="module")
def graded(tmp_path_factory, bwrap):
    """A class of every kind, graded once."""
    root = tiny.course(tmp_path_factory.mktemp("class"))
    release.release((tiny.ENTRY,), root)
    desk = Desk(root / ".grading", root)
    listener = socket.create_server(("127.0.0.1", 0))
    for student, (answers, _, _) in hostile.CODE.items():
        port = str(listener.getsockname()[1])
        tiny.send(desk, student, {name: code.replace("PORT", port) for name, code in answers.items()})
    for student, (write, _, _) in hostile.FILES.items():
        folder = desk.submitted(student, "week01")
        folder.mkdir(parents=True)
        write(folder, tiny.answered(tiny.ENTRY.released(root), RIGHT))
    sent = {path: path.read_bytes() for path in sorted((desk.folder / "submitted").rglob("*.ipynb"))}
    resource_tracker.ensure_running()  # Dask's processes start it, and it stays
    temporary = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOSTS_SECRET", "a password")
        patch.setenv("TMPDIR", str(temporary))
        patch.setattr(tempfile, "tempdir", None)
        before = host(temporary)
        grades = grade.grade(desk, "week01", jobs=2, conditions=QUICK)
    before["sockets"].remove(listener.getsockname()[1])
    listener.close()
    desk.folder.joinpath("temporary").symlink_to(temporary)
    return desk, {g.student: g for g in grades}, sent, before


def host(temporary: Path) -> dict[str, object]:
    """What grading must leave as it is: mounts, processes, sockets, temporary files."""
    mine = psutil.Process().children(recursive=True)
    return {
        "mounts": Path("/proc/mounts").read_text(),
        "children": sorted(process.name() for process in mine),
        "sockets": sorted(connection.laddr.port for connection in psutil.Process().net_connections("inet")),
        "sleeping": [p.pid for p in psutil.process_iter(["cmdline"]) if "4321" in (p.info["cmdline"] or ())],
        "temporary": sorted(path.name for path in temporary.iterdir()),
    }


@pytest.mark.parametrize("student", [*hostile.CODE, *hostile.FILES])
def test_a_submission_gets_its_score_and_reason(graded, student):
    _, score, said = (hostile.CODE | hostile.FILES)[student]
    got = graded[1][student]
    assert (got.score, got.max_score) == (score, 5)
    assert said in "; ".join([got.reason, *got.repairs])


def test_submissions_are_kept_as_they_came(graded):
    _, _, sent, _ = graded
    assert {path: path.read_bytes() for path in sent} == sent


def test_the_csv_has_a_row_for_everybody(graded):
    desk, grades, _, _ = graded
    with (desk.folder / "week01.csv").open() as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows.keys() == grades.keys()
    assert all(float(rows[s]["score"]) == grades[s].score and rows[s]["reason"] for s in rows)


def test_feedback_shows_verdicts_and_no_hidden_test(graded):
    desk, grades, _, _ = graded
    pages = {s: (desk.folder / "feedback" / s / "week01" / "week01_tiny.html").read_text() for s in grades}
    assert not [student for student, page in pages.items() if "hidden_question_about_seven" in page]
    assert "double() is wrong for some numbers" in pages["hidden"]
    assert "not answered" in pages["empty"]


def test_the_instructor_can_see_what_the_grading_run_printed(graded):
    desk, _, _, _ = graded
    executed = nb.read(desk.folder / "autograded" / "prints_hidden" / "week01" / "week01_tiny.ipynb")
    [printed] = [out.text for cell in executed.cells if cell.id == "quadruple" for out in cell.outputs]
    assert "hidden_question_about_seven" in printed


def test_the_machine_is_as_it_was(graded):
    temporary = graded[0].folder / "temporary"
    deadline = time.monotonic() + 5
    while (after := host(temporary)) != graded[3] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert after == graded[3]


def test_grading_again_does_again_what_changed_and_keeps_the_rest(graded):
    desk, grades, _, _ = graded
    executed = {s: desk.autograded(s, "week01") / "week01_tiny.ipynb" for s in ("right", "empty")}
    before = {student: path.stat().st_mtime_ns for student, path in executed.items()}
    shutil.rmtree(desk.submitted("empty", "week01"))
    tiny.send(desk, "empty", RIGHT)
    again = {g.student: g for g in grade.grade(desk, "week01", jobs=2, conditions=QUICK)}
    changed = {student for student, path in executed.items() if path.stat().st_mtime_ns != before[student]}
    assert (changed, again["empty"].score) == ({"empty"}, 4)
    assert {s: g for s, g in again.items() if s != "empty"} == {s: g for s, g in grades.items() if s != "empty"}


def test_one_student_and_one_exercise_can_be_graded_again(graded):
    desk, _, _, _ = graded
    master = Path(desk.root, "solutions", "week01", "week01_tiny.ipynb")
    text = master.read_text()
    master.write_text(
        text.replace("double(2) == 4", "double(2) == 5").replace("quadruple(1) == 4", "quadruple(1) == 5")
    )
    [one] = [
        g
        for g in grade.grade(desk, "week01", conditions=QUICK, students=("right",), exercise="double")
        if g.student == "right"
    ]
    master.write_text(text)
    assert (one.score, "quadruple" in one.reason) == (2, False)
    with pytest.raises(grade.GradingFailed, match=r"no exercise 'treble'. It has: double, quadruple"):
        grade.grade(desk, "week01", conditions=QUICK, exercise="treble")


def test_a_week_without_submissions_is_refused_by_name(course):
    with pytest.raises(grade.GradingFailed, match="no submissions"):
        grade.grade(Desk(course / ".grading", course), "week01", conditions=QUICK)


def test_a_foreign_utils_does_no_harm_when_grading(course, bwrap, foreign_utils):
    release.release((tiny.ENTRY,), course)
    desk = Desk(course / ".grading", course)
    tiny.send(desk, "right", RIGHT)
    [got] = grade.grade(desk, "week01", conditions=QUICK)
    assert (got.score, got.reason) == (4, "all 2 tests passed")


def test_without_bubblewrap_nothing_is_graded_and_the_message_says_how_to_get_it(course, monkeypatch):
    release.release((tiny.ENTRY,), course)
    desk = Desk(course / ".grading", course)
    tiny.send(desk, "right", RIGHT)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoSandbox, match="apt-get install bubblewrap"):
        grade.grade(desk, "week01")
    assert not desk.result("right", "week01").exists()


def test_without_a_sandbox_a_class_can_be_graded_when_it_is_asked_for(course):
    release.release((tiny.ENTRY,), course)
    desk = Desk(course / ".grading", course)
    tiny.send(desk, "right", RIGHT)
    [got] = grade.grade(desk, "week01", conditions=Conditions(isolation=None))
    assert (got.score, got.reason) == (4, "all 2 tests passed")


def test_experiments_are_run_only_on_demand_and_their_checkpoints_are_recorded(course, bwrap):
    release.release((tiny.ENTRY,), course)
    desk = Desk(course / ".grading", course)
    tiny.send(desk, "ada", RIGHT)
    grade.grade(desk, "week01", conditions=QUICK)
    assert results.stored(desk, "week01", ["ada"])["ada"].checkpoints == ()
    [got] = grade.grade(desk, "week01", conditions=replace(QUICK, full=True))
    assert results.stored(desk, "week01", ["ada"])["ada"].checkpoints == ("✓ speed: measured 3 ×, target ≥ 2 ×",)
    assert (got.score, "speed: measured 3 ×" in desk.page("week01").read_text()) == (4, True)


def test_an_ordinary_user_gets_the_same_sandbox(course, bwrap, needs):
    """In a user namespace of its own, root is an ordinary user, who has to do without the rights of root."""
    needs("unshare", "--user", "--map-user=1000", "--map-group=1000", "true")
    release.release((tiny.ENTRY,), course)
    tiny.as_real_course(course)
    desk = Desk(course / ".grading", course)
    tiny.send(desk, "right", RIGHT)
    tiny.send(desk, "looks_around", RIGHT | {"double": LOOKS_AROUND.replace("PORT", "1")})
    as_user = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    command = [*as_user, sys.executable, "-m", "course", "grade", "1", "--timeout", "6"]
    done = subprocess.run(command, cwd=course, env=tiny.environment(course), capture_output=True, text=True)
    with (desk.folder / "week01.csv").open() as file:
        scores = {row["student"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores == {"right": 4, "looks_around": 4}, done.stdout + done.stderr


def test_an_interrupted_grading_leaves_no_kernel_and_goes_on_where_it_was(course, bwrap):
    """Ctrl-C in the middle of a submission: the command ends with 130; the next one grades who is left."""
    release.release((tiny.ENTRY,), course)
    tiny.as_real_course(course)
    desk = Desk(course / ".grading", course)
    tiny.send(desk, "ada", RIGHT)
    tiny.send(desk, "slow", RIGHT | {"double": "import time\ndef double(x):\n    time.sleep(600)"})
    first = desk.result("ada", "week01")
    interrupted = tiny.interrupt(course, ["grade", "1", "--timeout", "8"], when=first)
    assert (interrupted.code, "Nothing is broken" in interrupted.said) == (130, True), interrupted.said
    assert interrupted.left == []
    finished = first.stat().st_mtime_ns
    grades = grade.grade(desk, "week01", conditions=Conditions(Bubblewrap(), timeout=8))
    assert {g.student: g.score for g in grades} == {"ada": 4, "slow": 2}
    assert first.stat().st_mtime_ns == finished


def test_feedback_is_about_the_newest_result_also_after_an_interruption(course):
    """Stopped between a new result and its page, grading writes the page the next time."""
    release.release((tiny.ENTRY,), course)
    desk = Desk(course / ".grading", course)

    def stop(student: str) -> None:
        raise KeyboardInterrupt

    tiny.send(desk, "ada", {})
    grade.grade(desk, "week01", conditions=Conditions(isolation=None))
    shutil.rmtree(desk.submitted("ada", "week01"))
    tiny.send(desk, "ada", RIGHT)
    with pytest.raises(KeyboardInterrupt):
        grade.grade(desk, "week01", conditions=Conditions(isolation=None), done=stop)
    grade.grade(desk, "week01", conditions=Conditions(isolation=None))
    assert "not answered" not in (desk.feedback("ada", "week01") / "week01_tiny.html").read_text()


def test_what_a_killed_worker_was_doing_is_done_again(course, bwrap):
    """One of two workers is killed in the middle of a submission, with the process that forks its kernels."""
    release.release((tiny.ENTRY,), course)
    tiny.as_real_course(course)
    desk = Desk(course / ".grading", course)
    slow = RIGHT | {"double": "import time\ndef double(x):\n    time.sleep(0.2)\n    return 2 * x"}
    for student in "abcdef":
        tiny.send(desk, student, slow)
    command = [sys.executable, "-m", "course", "grade", "1", "--jobs", "2"]
    grading = subprocess.Popen(command, cwd=course, env=tiny.environment(course), stdout=subprocess.PIPE, text=True)
    while not desk.result("a", "week01").exists():
        assert grading.poll() is None
        time.sleep(0.05)
    started = psutil.Process(grading.pid).children(recursive=True)
    servers = [p for p in started if any(word.endswith("forkserver.py") for word in p.cmdline())]
    servers[0].parent().kill()
    said, _ = grading.communicate(timeout=120)
    with (desk.folder / "week01.csv").open() as file:
        scores = {row["student"]: float(row["score"]) for row in csv.DictReader(file)}
    assert (grading.returncode, scores) == (0, dict.fromkeys("abcdef", 4.0)), said
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []


def test_a_sandbox_that_fails_in_the_middle_is_not_the_students_fault(course, bwrap):
    release.release((tiny.ENTRY,), course)
    desk = Desk(course / ".grading", course)
    tiny.send(desk, "slow", RIGHT | {"double": "import time\ndef double(x):\n    time.sleep(1)\n    return 2 * x"})
    grade.prepare(desk, "week01")
    server = submission._fork_server(desk, "week01", QUICK.isolation, QUICK.limits)
    threading.Timer(2, server.close).start()
    got = submission.examine(desk, "week01", QUICK, "slow")
    assert server.has_ended
    assert [mark.score for mark in got.marks] == [2, 2, 0]
