"""What instructors and students get of a graded class: report, CSV, feedback, formgrader; and nothing of it runs."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import nbformat
import psutil
import pytest
import requests
from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.api import Gradebook

from course import class_report, grade, handback, release, safe_html
from course.desk import Desk
from course.gradebook import ByHand
from course.results import Grade
from course.submission import Conditions, Flag, Mark, Result
from tests import browser, hostile, tiny
from tests.hostile import RIGHT

HERE = Conditions(isolation=None)  # what is graded below is our own
NOBODY = ByHand({}, {}, {})
WHY = ("week01_tiny", "why")
WRONG = RIGHT | {"double": "def double(x):\n    return {2: 4, 1: 2}.get(x, 0)", "why": "Because I say so."}

RUN = "document.documentElement.setAttribute(`data-ran`,1)"
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
EVE = f'eve"><img src=x onerror={RUN}>'  # a learning platform may name folders by what students call themselves
FIGURE = f'<img alt="a dot" width="96" style="max-width:100%;background:#fff" src="data:image/png;base64,{DOT}">'
FRAME = '<div><style scoped>td {}</style><table border="1" class="dataframe"><tr><td>12</td></tr></table></div>'
HTML = (
    f"<script>{RUN}</script><img src=x onerror='{RUN}'><svg onload='{RUN}'><animate onbegin='{RUN}'/></svg>"
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe><a href=" java&#10;script:{RUN}">press</a>'
    f"<details open ontoggle='{RUN}'></details><style>@import url(http://evil)</style><object data='x'></object>"
)
MARKDOWN = f"$a<b$ and [press](javascript:{RUN})\n\n![lost](attachment:no.png)\n\n{HTML}\n\n```python\nx = 1 < 2\n```"
SVG = f"<svg xmlns='http://www.w3.org/2000/svg' onload='{RUN}'><script>{RUN}</script></svg>"
OUTPUTS = [
    ({"text/html": HTML}, {}),
    ({"text/html": HTML}, {"text/html": {"isolated": True}}),
    ({"text/markdown": MARKDOWN}, {}),
    ({"image/svg+xml": SVG}, {}),
    ({"application/javascript": RUN}, {}),
    ({"application/vnd.jupyter.widget-view+json": {"model_id": f"</script><script>{RUN}"}}, {}),
    ({"image/png": DOT}, {"image/png": {"width": f"1 onload={RUN}"}}),
    ({"text/html": FIGURE + FRAME, "text/plain": "a dot"}, {}),
]
DISPLAY = f"""from IPython.display import display
for data, about in {OUTPUTS!r}:
    display(data, metadata=about, raw=True)"""


def attack(desk: Desk) -> None:
    """Send a right submission that shows everything that could run in a browser, and a figure and a table."""
    shown = [new_output("display_data", data=data, metadata=about) for data, about in OUTPUTS]
    cells = new_code_cell(DISPLAY, outputs=shown), new_markdown_cell(MARKDOWN)
    tiny.send(desk, EVE, RIGHT | {"why": MARKDOWN}, *cells)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Desk:
    """A graded class of four."""
    root = tiny.course(tmp_path_factory.mktemp("class"))
    tiny.as_real_course(root)
    release.release((tiny.ENTRY,), root)
    desk = Desk(root / ".grading", root)
    tiny.send(desk, "ada", RIGHT | {"why": "Because."})
    tiny.send(desk, "bob", WRONG)
    attack(desk)
    tiny.send(desk, "nil", {})
    grade.grade(desk, "week01", conditions=HERE)
    return desk


def page(desk: Desk) -> BeautifulSoup:
    return BeautifulSoup(desk.page("week01").read_text(), "html.parser")


def feedback(desk: Desk, student: str) -> str:
    return (desk.feedback(student, "week01") / "week01_tiny.html").read_text()


def words(soup: BeautifulSoup) -> str:
    return " ".join(soup.get_text(" ").split())


# The page


def test_the_report_shows_scores_pass_rates_messages_and_links_that_lead_somewhere(desk):
    soup = page(desk)
    said = words(soup)
    assert "Submissions graded 4" in said and "Mean score 2.5 of 5 points" in said and "Median score 3.0" in said
    assert soup.find("desc").get_text() == (
        "0 to 10 %: 1; 10 to 20 %: 0; 20 to 30 %: 0; 30 to 40 %: 0; 40 to 50 %: 1; 50 to 60 %: 0; 60 to 70 %: 0; "
        "70 to 80 %: 0; 80 to 90 %: 2; 90 to 100 %: 0."
    )
    assert "double 50 %: 2 of 4; 1 not answered 1 × double() is wrong for some numbers" in said
    links = [link["href"] for link in soup.find_all("a")]
    assert len(links) == 4 and all((desk.folder / unquote(link)).is_file() for link in links)


def test_the_report_holds_no_hidden_test_no_script_and_nothing_from_outside(desk):
    text = desk.page("week01").read_text()
    assert "hidden_question_about_seven" not in text
    assert set(browser.active(text)) == {"meta", "svg"}
    assert "http" not in text.replace("http-equiv", "")
    assert "default-src 'none'; style-src 'unsafe-inline'" in text


def test_the_report_opens_from_disk_without_an_error(desk, needs):
    needs("chromium")
    seen = browser.look(desk.page("week01").as_uri())
    assert seen.console == []
    assert "Week 1: class report" in seen.html


def some_class(folder: Path, students: dict[str, str], **more) -> tuple[Desk, list[Grade], dict[str, Result]]:
    """A class in which everybody failed one test, each with a message of their own."""
    marks = {name: (Mark("week01_tiny", "test_double", 2, 0.0, said),) for name, said in students.items()}
    found = {name: Result(name, "", marks[name], (), **more) for name in students}
    desk = Desk(folder)
    for name in students:
        desk.result(name, "week01").parent.mkdir(parents=True, exist_ok=True)
        desk.result(name, "week01").touch()
    return desk, [Grade(name, 0, 2, 0, said, **more) for name, said in students.items()], found


def test_hostile_names_messages_and_evidence_are_text(tmp_path):
    evil = f"\"'><script>{RUN}</script><img src=x onerror={RUN}>\u202egnirts\x1b[0m"
    long = "a" * 10_000
    flags = (Flag(evil, evil, evil), Flag("", "long", long))
    desk, grades, found = some_class(tmp_path, {evil.replace("/", ""): evil, "bob": long}, repairs=(evil,), flags=flags)
    class_report.write(desk, "week01", grades, found, {name: NOBODY for name in found})
    text = desk.page("week01").read_text()
    assert set(browser.active(text)) == {"meta", "svg"}
    assert long not in text and "a" * class_report.LONGEST in text
    soup = page(desk)
    assert all(place.find_parent("bdi") for place in soup.find_all(string=lambda s: "\u202e" in s))
    assert "<script>" in words(soup)


def test_messages_that_differ_in_numbers_are_counted_together(tmp_path):
    said = {"a": "got 3.5 of 10", "b": "got 17.25 of 10", "c": "no result", "d": "not answered"}
    found = some_class(tmp_path, said)[2]
    [exercise] = class_report.exercises(found.values())
    assert (exercise.marked, exercise.passed, exercise.unanswered) == (4, 0, 1)
    assert exercise.messages == [(2, "got 3.5 of 10"), (1, "no result")]


def test_a_class_without_results_and_a_class_of_one_have_a_page(tmp_path):
    desk = Desk(tmp_path)
    desk.submitted("ada", "week01").mkdir(parents=True)
    class_report.write(desk, "week01", [], {}, {})
    assert "Nothing is graded yet" in words(page(desk)) and "Not graded yet: ada ." in words(page(desk))
    desk, grades, found = some_class(tmp_path, {"ada": "no"})
    class_report.write(desk, "week01", grades, found, {"ada": NOBODY})
    assert "Mean score 0.0 of 2 points Median score 0.0" in words(page(desk))
    with pytest.raises(handback.HandbackFailed, match=r"no grades in .*make grade WEEK=1"):
        handback.report(Desk(tmp_path / "empty"), "week01")


def test_repairs_are_counted_by_kind():
    notes = ("test_a, test_b: deleted, put back", "test_c: deleted, put back", "the file is named a: b (1).ipynb")
    kinds = ["deleted, put back", "deleted, put back", "the file has another name"]
    assert [class_report.kind_of(note) for note in notes] == kinds


def test_full_marks_belong_to_the_last_tenth():
    assert class_report.histogram([0, 0.3, 0.7, 1, 1.1]) == [1, 0, 0, 1, 0, 0, 0, 1, 0, 2]


# The CSV


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_the_csv_is_a_formula(tmp_path, formula):
    handback.write_csv(tmp_path / "week01.csv", [Grade(formula, 1, 2, 0, formula + "x" * 40_000, (formula,))])
    with (tmp_path / "week01.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["student"], row["repairs"]) == ("'" + formula, "'" + formula)
    assert row["reason"].startswith("'" + formula) and len(row["reason"]) <= 32_767
    assert row["score"] == "1"


# What a person gave


def test_points_and_comments_of_a_person_survive_and_reach_everything(desk):
    with Gradebook(f"sqlite:///{desk.folder}/gradebook.db") as book:
        given = book.find_grade("why", "week01_tiny", "week01", "bob")
        given.manual_score, given.needs_manual_grade = 0.5, False
        book.find_comment("why", "week01_tiny", "week01", "bob").manual_comment = "say **more** about two"
        book.db.commit()
    assert handback.report(desk, "week01").rewritten == ["bob"]
    assert "say <strong>more</strong> about two" in feedback(desk, "bob")
    assert "why 1 2 0.5 of 1" in words(page(desk)) and "2.5 / 5 0.5 by hand" in words(page(desk))
    for options in ({}, {"students": ("bob",)}, {"exercise": "double"}):
        grade.grade(desk, "week01", conditions=HERE, **options)
        with desk.table("week01").open() as file:
            scores = {row["student"]: row["score"] for row in csv.DictReader(file)}
        assert scores["bob"] == "2.5", options
        assert "say <strong>more</strong> about two" in feedback(desk, "bob")
    assert handback.report(desk, "week01").rewritten == []


# What a student wrote, in an instructor's browser


def test_the_attack_would_run_if_nothing_stopped_it(desk, needs, tmp_path):
    needs("chromium")
    text = (
        (desk.submitted(EVE, "week01") / hostile.NAME).read_text().replace("attachment:", "")
    )  # nbconvert would stop there
    html, _ = HTMLExporter(template_name="classic").from_notebook_node(nbformat.reads(text, as_version=4))
    (tmp_path / "page.html").write_text(html)
    assert "data-ran" in root_of(browser.look((tmp_path / "page.html").as_uri()).html).attrs


def root_of(html: str):
    return BeautifulSoup(html, "html.parser").find("html")


def test_nothing_of_a_student_runs_in_feedback_and_figures_are_shown(desk, needs):
    needs("chromium")
    path = desk.feedback(EVE, "week01") / "week01_tiny.html"
    assert browser.active(path.read_text()) == browser.active(feedback(desk, "ada"))
    assert "data-ran" not in root_of(browser.look(path.as_uri()).html).attrs
    shows_what_is_honest(path.read_text())


def shows_what_is_honest(html: str) -> None:
    soup = BeautifulSoup(html, "html.parser")
    figure = soup.find("img", alt="a dot")
    assert figure["src"] == f"data:image/png;base64,{DOT}" and "max-width" in figure["style"]
    assert [cell.get_text() for cell in soup.select("table.dataframe td")] == ["12"]
    assert "$a<b$" in soup.get_text() and soup.select(".highlight .mi")
    assert any(str(image["src"]).startswith("data:image/svg+xml") for image in soup.find_all("img", src=True))


@pytest.fixture
def server(desk, tmp_path, monkeypatch) -> Iterator[tuple[str, psutil.Process]]:
    """`course formgrader`: its address, and its process."""
    own = {"JUPYTER_RUNTIME_DIR": tmp_path / "run", "JUPYTER_CONFIG_DIR": tmp_path / "config", "BROWSER": "true"}
    environment = tiny.environment(desk.root) | {name: str(value) for name, value in own.items()}
    command = [sys.executable, "-m", "course", "formgrader"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=desk.root, env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while not (files := list((tmp_path / "run").glob("jpserver-*.json"))):
        assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.2)
    told = json.loads(files[0].read_text())
    yield f"{told['url']}login?token={told['token']}&next=/formgrader/{{}}", psutil.Process(process.pid)
    process.terminate()
    process.wait(20)


def test_formgrader_is_for_this_machine_and_runs_nothing_of_a_student(desk, server, needs):
    needs("chromium")
    address, process = server
    assert {listener.laddr.ip for listener in process.net_connections() if listener.status == "LISTEN"} == {"127.0.0.1"}
    with Gradebook(f"sqlite:///{desk.folder}/gradebook.db") as book:
        ids = {s: book.find_submission_notebook("week01_tiny", "week01", s).id for s in ("ada", EVE)}
    places = {student: address.format(f"submissions/{number}/") for student, number in ids.items()}
    stranger = requests.get(places["ada"].replace("token=", "token=not"), timeout=30)
    assert "Student's answer" not in stranger.text
    pages = {student: requests.get(place, timeout=30).text for student, place in places.items()}
    assert "Student's answer" in pages["ada"]
    assert browser.active(pages[EVE]) == browser.active(pages["ada"])
    shows_what_is_honest(pages[EVE])
    lists = ("gradebook/week01/week01_tiny", "manage_submissions/week01", "manage_students")
    for place, shown in [(places[EVE], "Student's answer"), *((address.format(page), "ada</") for page in lists)]:
        seen = browser.look(place)
        assert shown in seen.html and "data-ran" not in root_of(seen.html).attrs, place


def test_a_picture_that_was_pasted_into_an_answer_is_shown():
    pasted = new_markdown_cell("![mine](attachment:image.png)", attachments={"image.png": {"image/png": DOT}})
    cell, _ = safe_html.Harmless().preprocess_cell(pasted, {}, 0)
    assert f'src="data:image/png;base64,{DOT}"' in safe_html.markdown_to_html(cell.source)


def test_an_execution_count_that_is_no_number_is_not_shown():
    forged = new_code_cell("1")
    forged.execution_count = f"<img src=x onerror='{RUN}'>"
    cell, _ = safe_html.Harmless().preprocess_cell(forged, {}, 0)
    assert cell.execution_count is None
