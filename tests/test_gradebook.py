"""The gradebook, in SQLite and in PostgreSQL: what is entered is whole, and no fault loses it."""

from __future__ import annotations

import contextlib
import csv
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from alembic.script import ScriptDirectory
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import create_engine, text

from course import database as databases
from course import doctor, grade, gradebook, handback, release, results
from course.database import DatabaseFailed
from course.desk import Desk
from course.sandbox import Bubblewrap
from course.submission import Conditions, Mark, Result
from tests import tiny
from tests.databases import PASSWORD, Postgres, PostgresServer, Sqlite, postgres_programs
from tests.hostile import RIGHT

PLAIN = Conditions(isolation=None)
WRONG = {"double": "def double(x):\n    return x", "quadruple": RIGHT["quadruple"]}
SCORES = {"ada": 4, "bob": 2, "eve": 0}
KILLS = 3


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server; where there is none, the test is skipped, and under CI that is a failure."""
    if not (programs := postgres_programs()):
        message = "needs PostgreSQL's server (initdb), which is not on this machine"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    with PostgresServer(programs) as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path_factory) -> Sqlite | Postgres:
    """An empty database, of each kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("server").database()
    return Sqlite(tmp_path_factory.mktemp("database") / "here")


@pytest.fixture
def desk(course, database) -> Desk:
    """A class of three, not graded yet, with its gradebook in that database."""
    release.release((tiny.ENTRY,), course)
    desk = Desk(course / ".grading", course, database.url)
    for student, answers in zip(SCORES, (RIGHT, WRONG, {}), strict=True):
        tiny.send(desk, student, answers)
    return desk


def scores(grades: list[results.Grade]) -> dict[str, float]:
    return {g.student: g.score for g in grades}


def stored(desk: Desk) -> dict[str, Result]:
    return results.stored(desk, "week01", desk.students("week01"))


def environment(desk: Desk) -> dict[str, str]:
    return tiny.environment(desk.root) | {databases.VARIABLE: desk.database}


def book_of(desk: Desk) -> gradebook.Book:
    return gradebook.Book(gradebook.settings(desk, "week01"))


def result(student: str, double: float | None = 2) -> Result:
    graded = (("test_double", 2, double), ("test_quadruple", 2, 2), ("why", 1, None))
    return Result(student, "digest", tuple(Mark("week01_tiny", *mark) for mark in graded), ())


def test_a_graded_class_is_there_for_nbgrader_and_comes_back_when_the_gradebook_was_lost(desk, database, tmp_path):
    """Lost, or replaced by an older one: the results are entered again, and nothing is run again."""
    assert scores(grade.grade(desk, "week01", conditions=PLAIN)) == SCORES
    executed = {path: path.stat().st_mtime_ns for path in (desk.folder / "autograded").rglob("*.ipynb")}
    database.clear()
    with pytest.raises(handback.HandbackFailed, match="lacks 3 of 3 grades of week01"):
        handback.report(desk, "week01")
    assert scores(grade.grade(desk, "week01", conditions=PLAIN)) == SCORES
    with book_of(desk) as book:
        book.enter("week01", result("eve"))
    assert scores(grade.grade(desk, "week01", conditions=PLAIN)) == SCORES
    assert {path: path.stat().st_mtime_ns for path in executed} == executed
    tiny.as_real_course(desk.root)
    exported = tmp_path / "grades.csv"
    command = [sys.executable, "-m", "nbgrader", "export", "--to", exported]
    subprocess.run(command, cwd=desk.root, env=environment(desk), check=True, capture_output=True)
    with exported.open() as file:
        assert {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)} == SCORES


def test_points_and_comments_of_a_person_survive_another_grading(desk):
    grade.prepare(desk, "week01")
    with book_of(desk) as book:
        book.enter("week01", result("ada"))
    with Gradebook(desk.gradebook) as person:
        person.find_grade("why", "week01_tiny", "week01", "ada").manual_score = 0.5
        person.find_comment("why", "week01_tiny", "week01", "ada").manual_comment = "Nearly."
        person.db.commit()
    grade.prepare(desk, "week01")
    with book_of(desk) as book:
        book.enter("week01", result("ada", double=0))
        assert book.score("week01", "ada") == (2.5, 5, 1)
    with Gradebook(desk.gradebook) as person:
        assert person.find_comment("why", "week01_tiny", "week01", "ada").comment == "Nearly."


def test_a_result_is_entered_whole_or_not_at_all(desk):
    grade.prepare(desk, "week01")
    broken = replace(result("ada"), marks=result("ada").marks[:1])
    with book_of(desk) as book, pytest.raises(KeyError):
        book.enter("week01", broken)
    with Gradebook(desk.gradebook) as person, pytest.raises(MissingEntry):
        person.find_student("ada")


def test_a_result_of_an_earlier_form_of_the_week_does_not_count_as_stored(desk):
    grade.prepare(desk, "week01")
    results.store(desk, "week01", result("ada"))
    results.store(desk, "week01", replace(result("bob"), marks=result("bob").marks[:1]))
    assert [*grade._of_this_week(desk, "week01", stored(desk))] == ["ada"]


def test_a_longer_name_than_nbgraders_tables_have_room_for_is_entered(desk):
    grade.prepare(desk, "week01")
    with book_of(desk) as book:
        book.enter("week01", result("x" * 250))
        assert book.score("week01", "x" * 250) == (4, 5, 1)


def test_a_gradebook_whose_making_was_interrupted_is_completed(desk):
    grade.prepare(desk, "week01")
    engine = create_engine(desk.gradebook)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE comment"))
        connection.execute(text("DROP TABLE alembic_version"))
    grade.prepare(desk, "week01")
    with engine.connect() as connection:
        [[version]] = connection.execute(text("SELECT version_num FROM alembic_version"))
        assert connection.execute(text("SELECT count(*) FROM comment")).scalar() == 0
    engine.dispose()
    assert version == ScriptDirectory(ALEMBIC_DIR).get_current_head()


class Faults:
    """Makes a database fail for two seconds at a time, in the background."""

    def __init__(self, fault) -> None:
        self.fault, self.threads = fault, []

    def begin(self) -> None:
        if self.threads:
            self.threads[-1].join()
        begun = threading.Event()
        self.threads.append(threading.Thread(target=self._fail, args=(begun,)))
        self.threads[-1].start()
        assert begun.wait(10)

    def _fail(self, begun: threading.Event) -> None:
        with self.fault():
            begun.set()
            time.sleep(2)


@pytest.mark.parametrize("fault", ["locked", "away"])
def test_a_database_that_is_locked_or_away_for_a_time_delays_grading_and_loses_nothing(desk, database, fault):
    """Before a result is entered, and before grades are read and feedback is written."""
    grade.prepare(desk, "week01")
    faults = Faults(getattr(database, fault))
    if fault == "locked":  # the week, too, waits to be entered
        faults.begin()
    grades = grade.grade(desk, "week01", conditions=PLAIN, done=lambda student: faults.begin())
    faults.threads[-1].join()
    assert scores(grades) == SCORES
    with book_of(desk) as book:
        assert all(book.holds("week01", entered) for entered in stored(desk).values())
    assert len([*(desk.folder / "feedback").rglob("*.html")]) == 3
    database.check()


def test_a_database_that_stays_away_ends_grading_with_what_to_do(desk, database, monkeypatch):
    monkeypatch.setattr(databases, "PATIENCE", 1)
    grade.prepare(desk, "week01")
    with book_of(desk) as book, database.away(), pytest.raises(DatabaseFailed, match="Nothing is lost") as failed:
        book.enter("week01", result("ada"))
    assert PASSWORD not in str(failed.value)


def test_killed_at_any_moment_grading_loses_nothing_that_was_finished(desk, database, bwrap):
    """First while it starts, then while results come in and feedback is written."""
    tiny.as_real_course(desk.root)
    wanted = SCORES | {f"student{number}": 4 for number in range(9)}
    for student in wanted.keys() - SCORES.keys():
        tiny.send(desk, student, RIGHT)
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # shown when the test fails
    chance, finished = random.Random(seed), {}
    for kill in range(KILLS):
        more = (lambda: True) if kill == 0 else partial(has_more_results, desk, len(finished))
        after = chance.uniform(0.5, 6) if kill == 0 else chance.uniform(0, 2)
        assert tiny.kill(desk.root, ["grade", "1", "--jobs", "2"], environment(desk), after, more) == []
        database.check()
        finished = stored(desk)
        if finished:
            with book_of(desk) as book:
                assert [s for s in finished if not book.holds("week01", finished[s])] == []
    before = {s: desk.result(s, "week01").stat().st_mtime_ns for s in finished}
    assert scores(grade.grade(desk, "week01", conditions=Conditions(Bubblewrap()))) == wanted
    assert before and {s: desk.result(s, "week01").stat().st_mtime_ns for s in before} == before
    assert len([*(desk.folder / "feedback").rglob("*.html")]) == len(wanted)


def has_more_results(desk: Desk, count: int) -> bool:
    return len([*(desk.folder / "results").rglob("*.json")]) > count


FILLS_THE_DISK = """
test "$(readlink /proc/self/ns/mnt)" != "$OUTSIDE"
mount --make-rprivate /
mount -t tmpfs -o size=8m tmpfs .grading
mkdir .grading/submitted
cp -r sent/ada .grading/submitted
$COURSE grade 1
cp -r sent/bob .grading/submitted
for left in 0 32 128; do  # kB: too little for the submission, for the database, for the feedback
    rm -f .grading/filler
    head -c ${left}k /dev/zero > .grading/left
    cat /dev/zero > .grading/filler || true
    rm .grading/left
    code=0
    $COURSE grade 1 2> said_$left || code=$?
    echo "code $code" >> said_$left
    cp .grading/gradebook.db left_$left.db
done
rm .grading/filler
$COURSE grade 1
cp .grading/week01.csv .
"""


def test_a_full_disk_ends_grading_with_what_to_do_and_damages_nothing(course, bwrap, needs):
    apart = ("unshare", "--user", "--map-root-user", "--mount")
    needs(*apart, "true")
    release.release((tiny.ENTRY,), course)
    tiny.as_real_course(course)
    desk = Desk(course / ".grading", course)
    for student in ("ada", "bob"):
        tiny.send(desk, student, RIGHT)
    (desk.folder / "submitted").rename(course / "sent")
    outside, command = os.readlink("/proc/self/ns/mnt"), f"{sys.executable} -m course"
    environ = tiny.environment(course) | {"OUTSIDE": outside, "COURSE": command, "COLUMNS": "1000"}
    script = [*apart, "bash", "-o", "errexit", "-c", FILLS_THE_DISK]
    done = subprocess.run(script, cwd=course, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for left, full in ((0, "No space left on device"), (32, "its disk is full"), (128, "No space left on device")):
        said = (course / f"said_{left}").read_text()
        assert full in said and "free some space" in said and said.endswith("code 2\n") and "Traceback" not in said
        with contextlib.closing(sqlite3.connect(course / f"left_{left}.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT sum(auto_score) FROM grade").fetchone()[0] >= 4
    with (course / "week01.csv").open() as file:
        assert {row["student"]: float(row["score"]) for row in csv.DictReader(file)} == {"ada": 4, "bob": 4}


def test_a_server_whose_disk_is_full_is_not_waited_for(server, course):
    release.release((tiny.ENTRY,), course)
    desk = Desk(course / ".grading", course, server.database().url)
    grade.prepare(desk, "week01")
    raises = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE SQLSTATE '53100'; END$$"
    engine = create_engine(desk.gradebook)
    with engine.begin() as connection:
        connection.execute(text(raises))
        connection.execute(text("CREATE TRIGGER t BEFORE INSERT ON grade FOR EACH ROW EXECUTE FUNCTION full_disk()"))
    engine.dispose()
    with book_of(desk) as book, pytest.raises(DatabaseFailed, match="its disk is full"):
        book.enter("week01", result("ada"))


UNUSABLE = {
    f"nonsense://grader:{PASSWORD}@host/gradebook": "a kind of database that is not known",
    f"grader:{PASSWORD}": "not the URL of a database",
    f"postgresql://grader:{PASSWORD}@host/gradebook": "not the URL of a database.*%40 for @",
    "postgresql+pg8000://grader:geheim%40home@host/gradebook": "needs the Python package pg8000",
    "postgresql+psycopg://grader:geheim%40home@127.0.0.1:1/gradebook": "Connection refused.*Nothing is lost",
    "postgresql+psycopg://grader@127.0.0.1:1/gradebook?password=geheim": "onnection refused",
}


@pytest.mark.parametrize("url", UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_url_that_cannot_be_used_is_explained_without_its_password(url, monkeypatch):
    with pytest.raises(DatabaseFailed, match=UNUSABLE[url]) as failed:
        gradebook.create(url)
    monkeypatch.setenv(databases.VARIABLE, url)
    [finding] = doctor._gradebook()
    assert (finding.ok, finding.found) == (False, str(failed.value))
    assert "geheim" not in finding.found and "home" not in finding.found


def test_a_wrong_password_ends_the_command_at_once_with_one_message(server, course, bwrap):
    release.release((tiny.ENTRY,), course)
    tiny.as_real_course(course)
    tiny.send(Desk(course / ".grading", course), "ada", RIGHT)
    wrong = server.database().url.replace("geheim", "gehoim")
    environ = tiny.environment(course) | {databases.VARIABLE: wrong, "COLUMNS": "1000"}
    command = [sys.executable, "-m", "course", "grade", "1"]
    done = subprocess.run(command, cwd=course, env=environ, capture_output=True, text=True, timeout=30)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "password authentication failed" in done.stderr and "gehoim" not in done.stdout + done.stderr


def test_the_doctor_looks_at_a_database_only_where_one_is_named(server, monkeypatch):
    monkeypatch.delenv(databases.VARIABLE, raising=False)
    assert [*doctor._gradebook()] == []
    monkeypatch.setenv(databases.VARIABLE, server.database().url)
    [finding] = doctor._gradebook()
    assert finding.ok and finding.found.startswith("postgresql+psycopg://grader:***@/gradebook")
