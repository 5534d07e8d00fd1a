"""What students send is brought into a gradable form; their answers stay theirs."""

from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from course import collect, release
from course import notebook as nb
from tests import tiny

ANSWER = "def double(x):\n    return 2 * x"


@pytest.fixture
def released(course):
    release.release((tiny.ENTRY,), course)
    return nb.read(tiny.ENTRY.released(course))


@pytest.fixture
def answered(released):
    copy = nbformat.from_dict(json.loads(json.dumps(released)))
    cell_of(copy, "double").source = ANSWER
    return copy


def cell_of(notebook, cell_id):
    return next(cell for cell in notebook.cells if cell.get("id") == cell_id)


def collected(tmp_path, released, notebook, name="week01_tiny.ipynb"):
    """Send a notebook, as a dict, text or bytes, and collect it."""
    folder = tmp_path / "sent"
    folder.mkdir()
    content = notebook if isinstance(notebook, bytes | str) else json.dumps(notebook)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return collect.collect(folder, "week01_tiny", released)


def test_an_untouched_structure_needs_no_repair(tmp_path, released, answered):
    repaired = collected(tmp_path, released, answered)
    assert (repaired.notes, repaired.fault) == ([], "")
    assert cell_of(repaired.notebook, "double").source == ANSWER


def test_lost_metadata_ids_and_tags_come_back(tmp_path, released, answered):
    cell_of(answered, "why").source = "My own reason."
    for cell in answered.cells:
        cell["metadata"] = {}
        del cell["id"]
    repaired = collected(tmp_path, released, answered | {"nbformat_minor": 0})
    assert repaired.notes == ["nbgrader's metadata was lost and has been restored"]
    assert cell_of(repaired.notebook, "why").source == "My own reason."
    assert cell_of(repaired.notebook, "double").source == ANSWER
    assert nb.is_test(cell_of(repaired.notebook, "test_double"))
    assert nb.EXPERIMENT in nb.tags(cell_of(repaired.notebook, "checkpoint"))


def test_a_deleted_test_is_put_back_after_its_exercise(tmp_path, released, answered):
    answered.cells = [cell for cell in answered.cells if cell.id != "test_double"]
    repaired = collected(tmp_path, released, answered)
    ids = [cell.id for cell in repaired.notebook.cells]
    assert ids.index("test_double") == ids.index("double") + 1
    assert repaired.notes == ["test_double: deleted, put back"]


def test_a_changed_test_is_replaced_by_the_released_one(tmp_path, released, answered):
    cell_of(answered, "test_double").source = "pass"
    repaired = collected(tmp_path, released, answered)
    assert cell_of(repaired.notebook, "test_double").source == cell_of(released, "test_double").source
    assert repaired.notes == ["test_double: not as released, the released test is used"]


def test_of_a_duplicated_exercise_the_last_answer_counts(tmp_path, released, answered):
    first = nbformat.from_dict(json.loads(json.dumps(cell_of(answered, "double"))))
    first.source, first.id = "def double(x):\n    return 0", "copy"
    answered.cells.insert(3, first)
    repaired = collected(tmp_path, released, answered)
    assert [cell.source for cell in repaired.notebook.cells if "def double" in cell.source] == [ANSWER]
    assert "2 times" in repaired.notes[0]


def test_reordered_cells_are_graded_in_the_order_of_the_release(tmp_path, released, answered):
    answered.cells.reverse()
    repaired = collected(tmp_path, released, answered)
    assert [cell.id for cell in repaired.notebook.cells] == [cell.id for cell in released.cells]


def test_tags_of_the_submission_are_ignored_and_added_cells_stay_in_place(tmp_path, released, answered):
    cell_of(answered, "test_double").metadata["tags"] = ["experiment", "skip-execution"]
    answered.cells.insert(4, new_code_cell("helper = 1", metadata={"tags": ["experiment"]}))
    repaired = collected(tmp_path, released, answered)
    assert not nb.tags(cell_of(repaired.notebook, "test_double"))
    ids = [cell.id for cell in repaired.notebook.cells]
    added = repaired.notebook.cells[ids.index("double") + 1]
    assert (added.source, nb.tags(added)) == ("helper = 1", frozenset())


def test_the_parameters_are_the_instructors(tmp_path, released, answered):
    cell_of(answered, "parameters").source = 'PROFILE = "gpu"\nSEED = 3'
    repaired = collected(tmp_path, released, answered)
    assert cell_of(repaired.notebook, "parameters").source == cell_of(released, "parameters").source


def test_a_notebook_under_another_name_is_found(tmp_path, released, answered):
    repaired = collected(tmp_path, released, answered, name="week01_tiny (2).ipynb")
    assert cell_of(repaired.notebook, "double").source == ANSWER
    assert repaired.notes == ["the file is named week01_tiny (2).ipynb"]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path, released, answered):
    content = b"\xef\xbb\xbf" + json.dumps(answered, indent=1).replace("\n", "\r\n").encode()
    assert cell_of(collected(tmp_path, released, content).notebook, "double").source == ANSWER


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a notebook"),
        ('{"cells": [1]}', "not a notebook"),
        ('{"worksheets": []}', "not a notebook"),
        (b"\xff\xfe{}", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_what_is_no_notebook_is_graded_as_unanswered_with_the_reason(tmp_path, released, content, fault):
    repaired = collected(tmp_path, released, content)
    assert fault in repaired.fault
    assert repaired.notebook == released


def test_an_empty_folder_and_two_candidates_are_named(tmp_path, released):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no .ipynb file" in collect.collect(empty, "week01_tiny", released).fault
    for name in ("a.ipynb", "b.ipynb"):
        (empty / name).write_text("{}")
    assert "a.ipynb, b.ipynb" in collect.collect(empty, "week01_tiny", released).fault
