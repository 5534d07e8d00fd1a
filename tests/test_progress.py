"""A student's progress: kept where no update reaches it, damaged by nothing, told to nobody."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from nbclient import NotebookClient

from course import ROOT, release, report, work
from course import notebook as nb
from course.syllabus import load
from tests import tiny
from utils import progress, progress_map
from utils.lab import UNATTENDED, Lab

ROW = {"name": "speed", "value": 3.0, "sign": "≥", "target": 2.0, "unit": "×", "passed": True}


@pytest.fixture
def tree(course):
    """The tiny course, released."""
    tiny.as_real_course(course)
    release.release((tiny.ENTRY,), course)
    return course


@pytest.fixture
def diary(tmp_path_factory):
    return progress.Diary(tmp_path_factory.mktemp("own"))


def standing(diary, root, stem=tiny.ENTRY.stem):
    return {one.stem: one for one in progress.chart(diary.path.parent, root)}[stem]


def test_what_passes_and_is_measured_in_a_notebook_is_written_down(tree, attended):
    """A student's own run in a kernel, as JupyterLab starts one."""
    work.open_week((tiny.ENTRY,), tree)
    path = work.copy_of(tiny.ENTRY, tree)
    notebook = tiny.answered(path, {"double": "def double(x):\n    return x + x"})
    notebook.cells.insert(3, nb.nbformat.v4.new_code_cell(tiny.CHECKPOINT, id="early"))
    client = NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": str(path.parent)}})
    client.execute()
    found = standing(progress.Diary(attended), tree)
    assert (found.passed, found.tests) == ({"test_double"}, {"test_double", "test_quadruple"})
    assert [row["value"] for row in found.checkpoints.values()] == [
        3.0,
    ]
    assert found.state == progress.STARTED
    said = {cell.id: [output.get("text") for output in cell.outputs] for cell in notebook.cells if "outputs" in cell}
    assert said["test_double"] == ["✓ test_double: passed, 1 of 2 since the kernel started\n"]
    assert not any("passed" in str(text) for text in said["test_quadruple"])


def test_an_unattended_run_writes_nothing(monkeypatch):
    monkeypatch.setenv(UNATTENDED, "1")
    lab = Lab("week01_x")
    lab.checkpoint("speed", 3.0, at_least=2.0)
    assert list(lab.folder.iterdir()) == []


def test_a_notebook_is_done_when_all_tests_pass_and_all_checkpoints_are_met(tree, diary):
    events = [{"test": "test_double", "passed": True}, {"checkpoint": ROW}, {"test": "test_quadruple", "passed": True}]
    states = []
    for event in events:
        diary.write(tiny.ENTRY.stem, **event)
        states.append(standing(diary, tree).state)
    assert states == [progress.STARTED, progress.STARTED, progress.DONE]
    diary.write(tiny.ENTRY.stem, checkpoint=ROW | {"value": None, "passed": False})
    assert standing(diary, tree).state == progress.STARTED
    diary.write(tiny.ENTRY.stem, checkpoint=ROW)
    diary.write(tiny.ENTRY.stem, test="test_double", passed=False)
    assert standing(diary, tree).state == progress.STARTED


def test_what_is_done_unlocks_what_needs_it(diary):
    first, second, third = load().notebooks[:3]
    states = [standing(diary, ROOT, entry.stem).state for entry in (first, second, third)]
    assert states == [progress.NEXT, progress.LATER, progress.LATER]
    for test in progress.tests(first.stem):
        diary.write(first.stem, test=test, passed=True)
    diary.write(first.stem, checkpoint=ROW)
    states = [standing(diary, ROOT, entry.stem).state for entry in (first, second, third)]
    assert states == [progress.DONE, progress.NEXT, progress.LATER]


def test_time_in_front_of_a_notebook_is_added_up_and_a_long_pause_is_not(tree, diary, monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    watch = progress.Watch(tiny.ENTRY.stem, diary)

    class Result:
        class info:
            raw_cell = "1 + 1"

        success = True

    for now in (50, 100, 100 + 3 * progress.PAUSE, 150 + 3 * progress.PAUSE, 200 + 3 * progress.PAUSE):  # noqa: B007
        watch(Result)
    assert standing(diary, tree).seconds == 200


@pytest.mark.parametrize(
    "damage",
    [
        b'{"at": "2026',
        b"\xff\xfe\x00",
        b"[]\n",
        b'{"notebook": "x", "checkpoint": 3}\n',
        b'{"notebook": "x", "seconds": "a"}\n',
        b'{"notebook": "x", "test": []}\n',
    ],
)
def test_a_damaged_file_is_set_aside_and_its_good_lines_are_kept(tree, diary, capsys, damage):
    diary.write(tiny.ENTRY.stem, test="test_double", passed=True)
    with diary.path.open("ab") as file:
        file.write(damage)
    before = diary.path.read_bytes()
    assert standing(diary, tree).passed == {"test_double"}
    [aside] = diary.path.parent.glob("progress-broken-*")
    assert aside.read_bytes() == before
    assert aside.name in capsys.readouterr().out
    assert standing(diary, tree).passed == {"test_double"}
    assert len(list(diary.path.parent.glob("progress-broken-*"))) == 1


def test_a_folder_that_cannot_be_written_to_is_said_and_stops_nobody(tree, tmp_path, capsys):
    diary = progress.Diary(tmp_path)
    diary.path.mkdir()  # as good as a full disk, also for root
    diary.write(tiny.ENTRY.stem, checkpoint=ROW)
    said = capsys.readouterr()
    assert f"could not be written to {diary.path}" in said.out
    assert said.err == ""


def test_two_kernels_write_at_the_same_time_and_no_line_is_lost(diary):
    code = (
        "import sys; from pathlib import Path; from utils.progress import Diary\n"
        "for i in range(100): Diary(Path(sys.argv[1])).write('week01_x', test=f'{sys.argv[2]}{i}', passed=True)"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(diary.path.parent), name]) for name in "ab"]
    assert [process.wait() for process in both] == [0, 0]
    assert len({event["test"] for event in diary.read()}) == 200


def test_the_map_shows_every_notebook_as_text_and_as_a_page(tree, diary):
    diary.write(tiny.ENTRY.stem, checkpoint=ROW | {"name": "<script>"}, seconds=3900)
    standings = progress.chart(diary.path.parent, tree)
    page = progress_map.table(standings)
    assert "<script>" not in page
    assert page.count("<tr>") == 1 + len({s.phase for s in standings}) + len(standings)
    assert "1 h 05 min" in page
    assert report.progress_table(standings).row_count == len(standings)


def test_the_command_says_what_comes_next_and_where_this_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    command = [sys.executable, "-m", "course", "progress"]
    folder = tmp_path / "unified-ai-curriculum"
    folder.mkdir()
    event = {"at": "2026-11-26T00:00:00+00:00", "notebook": "week02_micrograd", "checkpoint": ROW}
    (folder / "progress.jsonl").write_text(json.dumps(event) + "\n")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Next: week01_data_pipeline" in done.stdout
    assert str(folder) in done.stdout
    assert "≥ 2 ×" in done.stdout
