"""Every submission ends with a score and a reason; what could be graded before a fault keeps its points."""

from __future__ import annotations

import csv
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from multiprocessing import resource_tracker
from pathlib import Path

import nbformat
import psutil
import pytest

from course import ROOT, grade, release, submission
from course import notebook as nb
from course.desk import Desk
from course.sandbox import MB, Bubblewrap, Limits, NoSandbox
from course.submission import Conditions
from tests import tiny

QUICK = Conditions(Bubblewrap(), timeout=6, limits=Limits(memory=2000 * MB))

RIGHT = {"double": "def double(x):\n    return 2 * x", "quadruple": "def quadruple(x):\n    return 4 * x"}
FORKS = """import os, time
def double(x):
    while True:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)"""
FORKS_WITH_MEMORY = """import os, time
def double(x):
    for _ in range(5):
        if os.fork() == 0:
            kept = bytes([1]) * 600_000_000
            time.sleep(60)
            os._exit(0)
    time.sleep(60)"""
FILLS_THE_DISK = """def double(x):
    for i in range(100):
        with open(f"/tmp/{i}", "wb") as file:
            file.write(bytes(10**8))"""
BACKGROUND = """import subprocess
def double(x):
    subprocess.Popen(["sleep", "4321"], start_new_session=True)
    return 2 * x"""
# Right only if this machine, its files, its processes and its network cannot be seen or changed.
LOOKS_AROUND = f"""import os, pathlib, socket
def tried(call):
    try:
        call()
    except OSError:
        return False
    return True
def double(x):
    hidden = [{str(ROOT / "solutions")!r}, {str(ROOT / "tests")!r}, "/etc/passwd", "/var"]
    assert not [path for path in hidden if os.path.exists(path)]
    writable = ["/", "/usr", "/etc", "/dev", "/course", "/course/utils", {sys.prefix!r}]
    assert not [path for path in writable if tried(pathlib.Path(path, "mine").touch)]
    assert len([name for name in os.listdir("/proc") if name.isdigit()]) < 6
    assert not tried(lambda: socket.create_connection(("127.0.0.1", PORT), timeout=1))
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    assert not [name for name in ("HOSTS_SECRET", "PYTHONPATH", "PWD") if name in os.environ]
    started_with = pathlib.Path("/proc/self/environ").read_text()
    assert "HOSTS_SECRET" not in started_with and os.path.expanduser("~") == "/home/student"
    assert os.getcwd() == "/course/work/week01" and os.listdir(".") == ["week01_tiny.ipynb"]
    return 2 * x"""
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
    "loops": (RIGHT | {"quadruple": "def quadruple(x):\n    while True: pass"}, 2, "ran longer than 6 s"),
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
    "keyboard_interrupt": (RIGHT | {"double": "def double(x):\n    raise KeyboardInterrupt"}, 2, "KeyboardInterrupt"),
    "asks": (RIGHT | {"double": "def double(x):\n    return input()"}, 2, "StdinNotImplementedError"),
    "killed": (
        RIGHT | {"quadruple": "def quadruple(x):\n    import os; os.kill(os.getpid(), 9)"},
        2,
        "the program ended while this cell ran",
    ),
    "memory": (
        RIGHT | {"double": "def double(x):\n    return [bytes([1]) * 10**8 for _ in range(1000)]"},
        2,
        "MemoryError",
    ),
    "memory_in_forks": (RIGHT | {"double": FORKS_WITH_MEMORY}, 0, "MB of memory while this cell ran"),
    "floods": (RIGHT | {"double": "def double(x):\n    print('line\\n' * 3_000_000)\n    return 2 * x"}, 4, "all 2"),
    "shouts": (RIGHT | {"double": "def double(x):\n    raise ValueError('no' * 10**8)"}, 2, "1 of 2 tests passed"),
    "forks": (RIGHT | {"double": FORKS}, 2, "BlockingIOError"),
    "fills_the_disk": (RIGHT | {"double": FILLS_THE_DISK}, 2, "No space left on device"),
    "background": (RIGHT | {"double": BACKGROUND}, 4, "all 2"),
    "looks_around": (RIGHT | {"double": LOOKS_AROUND}, 4, "all 2"),
    "prints_hidden": (RIGHT | {"quadruple": PRINTS_HIDDEN}, 4, "all 2 tests passed"),
}


def send(desk: Desk, student: str, answers: dict[str, str]) -> None:
    notebook = nb.read(tiny.ENTRY.released(desk.root))
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    folder = desk.submitted(student, "week01")
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "week01_tiny.ipynb")


@pytest.fixture(scope="module")
def graded(tmp_path_factory, bwrap):
    """A class of every kind, graded once."""
    root = tiny.course(tmp_path_factory.mktemp("class"))
    release.release((tiny.ENTRY,), root)
    desk = Desk(root / ".grading", root)
    listener = socket.create_server(("127.0.0.1", 0))
    for student, (answers, _, _) in SUBMISSIONS.items():
        port = str(listener.getsockname()[1])
        send(desk, student, {name: code.replace("PORT", port) for name, code in answers.items()})
    broken = desk.submitted("broken", "week01")
    broken.mkdir(parents=True)
    (broken / "week01_tiny.ipynb").write_text("{")
    sent = {path: path.read_bytes() for path in sorted((desk.folder / "submitted").rglob("*.ipynb"))}
    os.environ["HOSTS_SECRET"] = "a password"
    resource_tracker.ensure_running()  # Dask's processes start it, and it stays
    before = host()
    grades = grade.grade(desk, "week01", jobs=2, conditions=QUICK)
    del os.environ["HOSTS_SECRET"]
    listener.close()
    return desk, {g.student: g for g in grades}, sent, before


def host() -> dict[str, object]:
    """What grading must leave as it is: mounts, processes, temporary files."""
    mine = psutil.Process().children(recursive=True)
    return {
        "mounts": Path("/proc/mounts").read_text(),
        "children": sorted(process.name() for process in mine),
        "sleeping": [p.pid for p in psutil.process_iter(["cmdline"]) if "4321" in (p.info["cmdline"] or ())],
        "temporary": sorted(path.name for path in Path("/tmp").iterdir() if not path.name.startswith("pytest-")),
    }


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
    after = host()
    deadline = time.monotonic() + 5
    while after != graded[3] and time.monotonic() < deadline:
        time.sleep(0.1)
        after = host()
    assert after == graded[3]


def test_grading_again_does_again_what_changed_and_keeps_the_rest(graded):
    desk, grades, _, _ = graded
    executed = {s: desk.autograded(s, "week01") / "week01_tiny.ipynb" for s in ("right", "empty")}
    before = {student: path.stat().st_mtime_ns for student, path in executed.items()}
    shutil.rmtree(desk.submitted("empty", "week01"))
    send(desk, "empty", RIGHT)
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
    send(desk, "right", RIGHT)
    [got] = grade.grade(desk, "week01", conditions=QUICK)
    assert (got.score, got.reason) == (4, "all 2 tests passed")


def test_without_bubblewrap_nothing_is_graded_and_the_message_says_how_to_get_it(course, monkeypatch):
    release.release((tiny.ENTRY,), course)
    desk = Desk(course / ".grading", course)
    send(desk, "right", RIGHT)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoSandbox, match="apt-get install bubblewrap"):
        grade.grade(desk, "week01")
    assert not desk.result("right", "week01").exists()


def test_without_a_sandbox_a_class_can_be_graded_when_it_is_asked_for(course):
    release.release((tiny.ENTRY,), course)
    desk = Desk(course / ".grading", course)
    send(desk, "right", RIGHT)
    [got] = grade.grade(desk, "week01", conditions=Conditions(isolation=None))
    assert (got.score, got.reason) == (4, "all 2 tests passed")


def test_an_ordinary_user_gets_the_same_sandbox(course, bwrap, needs):
    """In a user namespace of its own, root is an ordinary user, who has to do without the rights of root."""
    needs("unshare", "--user", "--map-user=1000", "--map-group=1000", "true")
    release.release((tiny.ENTRY,), course)
    tiny.as_real_course(course)
    desk = Desk(course / ".grading", course)
    send(desk, "right", RIGHT)
    send(desk, "looks_around", RIGHT | {"double": LOOKS_AROUND.replace("PORT", "1")})
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
    send(desk, "ada", RIGHT)
    send(desk, "slow", RIGHT | {"double": "import time\ndef double(x):\n    time.sleep(600)"})
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

    send(desk, "ada", {})
    grade.grade(desk, "week01", conditions=Conditions(isolation=None))
    shutil.rmtree(desk.submitted("ada", "week01"))
    send(desk, "ada", RIGHT)
    with pytest.raises(KeyboardInterrupt):
        grade.grade(desk, "week01", conditions=Conditions(isolation=None), done=stop)
    grade.grade(desk, "week01", conditions=Conditions(isolation=None))
    assert "not answered" not in (desk.feedback("ada", "week01") / "week01_tiny.html").read_text()


def test_what_a_killed_worker_was_doing_is_done_again(course, bwrap):
    """One of two workers is killed in the middle of a submission, with the process that forks its kernels."""
    release.release((tiny.ENTRY,), course)
    tiny.as_real_course(course)
    desk = Desk(course / ".grading", course)
    for student in "abcdef":
        send(desk, student, RIGHT | {"double": "import time\ndef double(x):\n    time.sleep(0.2)\n    return 2 * x"})
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
    send(desk, "slow", RIGHT | {"double": "import time\ndef double(x):\n    time.sleep(1)\n    return 2 * x"})
    grade.prepare(desk, "week01")
    server = submission._fork_server(desk, "week01", QUICK.isolation, QUICK.limits)
    threading.Timer(2, server.close).start()
    got = submission.examine(desk, "week01", QUICK, "slow")
    assert server.has_ended
    assert [mark.score for mark in got.marks] == [2, 2, 0]
