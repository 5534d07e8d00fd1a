"""A student's folder work/, and the student's tree: nothing of a person's is lost, nothing of ours leaks."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from course import notebook as nb
from course import publish, release, work
from tests import tiny

CANARY = "canary_in_the_solution_4b7d"
CANARY_TEST = "canary_in_the_hidden_test_9c2e"


@pytest.fixture
def released(course):
    release.release((tiny.ENTRY,), course)
    return course


def test_a_week_is_copied_once_and_an_edit_survives(released):
    assert work.open_week((tiny.ENTRY,), released) == [(tiny.ENTRY, True)]
    path = work.copy_of(tiny.ENTRY, released)
    path.write_text("my own work")
    release.release((tiny.ENTRY,), released)
    assert work.open_week((tiny.ENTRY,), released) == [(tiny.ENTRY, False)]
    assert path.read_text() == "my own work"


def test_files_beside_a_notebook_come_along_and_are_not_overwritten_either(released):
    beside = tiny.ENTRY.released(released).parent / "data" / "table.csv"
    beside.parent.mkdir()
    beside.write_text("1,2")
    work.open_week((tiny.ENTRY,), released)
    copy = released / "work" / "week01" / "data" / "table.csv"
    assert copy.read_text() == "1,2"
    copy.write_text("mine")
    work.open_week((tiny.ENTRY,), released)
    assert copy.read_text() == "mine"


def test_a_copy_that_fails_leaves_nothing_half_written(released, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(work.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space"):
        work.open_week((tiny.ENTRY,), released)
    assert [path for path in (released / "work").rglob("*") if path.is_file()] == []


def test_a_link_in_the_place_of_a_notebook_is_left_alone(released, tmp_path):
    folder = released / "work" / "week01"
    folder.mkdir(parents=True)
    (folder / "week01_tiny.ipynb").symlink_to(tmp_path / "elsewhere")
    assert [new for _, new in work.open_week((tiny.ENTRY,), released)] == [False]
    assert not (tmp_path / "elsewhere").exists()


def test_no_canary_reaches_the_students_tree(released, tmp_path):
    """A secret in a solution and one in a hidden test are nowhere in what is published."""
    source = nb.read(tiny.ENTRY.source(released))
    cells = {cell.id: cell for cell in source.cells}
    cells["double"].source = cells["double"].source.replace("twice_the_number", CANARY)
    cells["test_double"].source = cells["test_double"].source.replace("hidden_question_about_seven", CANARY_TEST)
    nbformat.write(source, tiny.ENTRY.source(released))
    release.release((tiny.ENTRY,), released)
    complete_tree(released)
    files = publish.publish(tmp_path / "student", root=released)
    assert tiny.ENTRY.released().parent.name in {path.parts[1] for path in files if path.parts[0] == "notebooks"}
    for path in files:
        assert CANARY.encode() not in (tmp_path / "student" / path).read_bytes()
        assert CANARY_TEST.encode() not in (tmp_path / "student" / path).read_bytes()


def complete_tree(root) -> None:
    """Add what a real course has beside the tiny notebook, secrets included."""
    tiny.as_real_course(root)
    for folder in ("tests/answers", "docs", ".grading"):
        (root / folder).mkdir(parents=True)
        (root / folder / "secret.md").write_text(f"{CANARY} {CANARY_TEST}")
    for name in publish.STUDENT_TREE:
        if not (root / name).exists() and "." in name.strip("."):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("")
    for name in (".gitignore", "LICENSE", "Makefile"):
        (root / name).write_text("")


def test_the_students_tree_goes_into_an_empty_folder_only(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(publish.PublishRefused, match="not empty"):
        publish.publish(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_weekly_tree_has_the_weeks_and_the_textbook_code_up_to_it(released, tmp_path):
    complete_tree(released)
    later = released / "notebooks" / "week02" / "week02_later.ipynb"
    later.parent.mkdir()
    later.write_text("{}")
    (released / "utils" / "nn").mkdir(exist_ok=True)
    for name, week in (("nn/taught1", 1), ("nn/taught2", 2), ("nn/taught3", 3), ("taught_beside_it", 2)):
        (released / "utils" / f"{name}.py").write_text(f'"""A model."""\n\nTAUGHT_IN = {week}\n')
    files = {path.as_posix() for path in publish.publish(tmp_path / "student", last_week=2, root=released)}
    assert "notebooks/week02/week02_later.ipynb" in files
    assert {f for f in files if "taught" in f} == {"utils/nn/taught1.py"}
    files = {path.as_posix() for path in publish.publish(tmp_path / "first", last_week=1, root=released)}
    assert "notebooks/week02/week02_later.ipynb" not in files


def test_a_foreign_utils_does_no_harm_in_a_kernel_as_jupyterlab_starts_it(released, foreign_utils):
    work.open_week((tiny.ENTRY,), released)
    path = work.copy_of(tiny.ENTRY, released)
    notebook = nb.read(path)
    notebook.cells = notebook.cells[:3]
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    assert not [out for cell in notebook.cells for out in cell.get("outputs", []) if out.output_type == "error"]


def test_a_utils_that_was_imported_from_elsewhere_is_named(released, foreign_utils):
    (foreign_utils / "utils" / "__init__.py").write_text("")
    work.open_week((tiny.ENTRY,), released)
    path = work.copy_of(tiny.ENTRY, released)
    notebook = nb.read(path)
    notebook.cells = notebook.cells[:3]
    notebook.cells[1].source += "\nimport utils"
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}})
    with pytest.raises(Exception, match="restart the kernel"):
        client.execute()
