"""What students send is brought into a gradable form; their answers stay theirs."""

from __future__ import annotations

import json

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_output

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
    cell_of(answered, "test_double").metadata["tags"] = ["experiment", "skip-execution", [], {}]
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


@pytest.mark.parametrize("minor", range(6))
def test_every_minor_version_of_the_format_is_read(tmp_path, released, answered, minor):
    for cell in answered.cells:
        if minor < 5:
            del cell["id"]
    repaired = collected(tmp_path, released, answered | {"nbformat_minor": minor})
    assert (cell_of(repaired.notebook, "double").source, repaired.notes) == (ANSWER, [])


def test_another_kernelspec_and_an_editors_metadata_do_no_harm(tmp_path, released, answered):
    answered.metadata = {"kernelspec": {"name": "julia"}, "colab": {"provenance": []}, "vscode": {}}
    for cell in answered.cells:
        cell.metadata |= {"id": "x", "colab": {}, "vscode": {"languageId": "r"}}
    repaired = collected(tmp_path, released, answered)
    assert (repaired.notebook.metadata, repaired.notes) == (released.metadata, [])
    assert cell_of(repaired.notebook, "double").metadata == cell_of(released, "double").metadata


def test_a_retyped_answer_is_code_again_and_a_renamed_one_is_recognised(tmp_path, released, answered):
    cell_of(answered, "double").cell_type = "markdown"
    renamed = cell_of(answered, "quadruple")
    renamed.metadata.nbgrader["grade_id"], renamed.id = "mine", "mine"
    renamed.source = "def quadruple(x):\n    return 4 * x"
    repaired = collected(tmp_path, released, answered)
    assert (cell_of(repaired.notebook, "double").cell_type, cell_of(repaired.notebook, "double").source) == (
        "code",
        ANSWER,
    )
    assert cell_of(repaired.notebook, "quadruple").source == renamed.source


def test_changed_points_are_the_releases_and_are_flagged(tmp_path, released, answered):
    cell_of(answered, "test_double").metadata.nbgrader |= {"points": 100, "grade": False}
    repaired = collected(tmp_path, released, answered)
    assert cell_of(repaired.notebook, "test_double").metadata.nbgrader.points == 2
    assert [flag.evidence for flag in repaired.flags] == ["points: 100, not 2", "grade: False, not True"]


def test_a_byte_that_is_no_text_costs_a_character_and_not_the_notebook(tmp_path, released, answered):
    cell_of(answered, "double").source += "\n# café"
    content = json.dumps(answered, ensure_ascii=False).encode("latin-1", errors="replace")
    repaired = collected(tmp_path, released, content)
    assert cell_of(repaired.notebook, "double").source.startswith(ANSWER)
    assert any("is not UTF-8 text" in note for note in repaired.notes)


def test_half_a_character_can_be_written_to_a_file(tmp_path, released, answered):
    cell_of(answered, "double").source += "\n# \ud83d"
    repaired = collected(tmp_path, released, json.dumps(answered))
    nbformat.writes(repaired.notebook).encode()


def test_fifty_megabytes_of_output_are_left_out_and_the_answer_counts(tmp_path, released, answered):
    cell_of(answered, "double").outputs = [new_output("stream", name="stdout", text="x" * 50_000_000)]
    repaired = collected(tmp_path, released, answered)
    assert cell_of(repaired.notebook, "double").source == ANSWER
    assert "47 MB of output, left out" in cell_of(repaired.notebook, "double").outputs[0].text


def test_a_file_and_a_cell_that_are_too_large_are_left_out_with_the_reason(tmp_path, released, answered, monkeypatch):
    cell_of(answered, "quadruple").source = "#" * 2_000_000
    repaired = collected(tmp_path, released, answered)
    assert cell_of(repaired.notebook, "double").source == ANSWER
    assert "2,000,000 characters, left out" in repaired.notes[0]
    monkeypatch.setattr(collect, "LARGEST", 1000)
    assert "the most is" in collect.collect(tmp_path / "sent", "week01_tiny", released).fault


def test_links_in_a_submission_are_not_followed(tmp_path, released, answered):
    (tmp_path / "secret.ipynb").write_text(json.dumps(answered))
    folder, linked = tmp_path / "sent", tmp_path / "linked"
    folder.mkdir()
    (folder / "week01_tiny.ipynb").symlink_to(tmp_path / "secret.ipynb")
    (folder / "more").symlink_to(tmp_path)
    linked.symlink_to(folder)
    assert "no .ipynb file" in collect.collect(folder, "week01_tiny", released).fault
    assert {path.name for path in collect.links(folder)} == {"week01_tiny.ipynb", "more"}
    assert "no .ipynb file" in collect.collect(linked, "week01_tiny", released).fault


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["code", "test_double"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_a_notebook_it_can_be_graded(tmp_path_factory, released, data):
    """Anything in place of any part of a notebook: the result is a valid notebook with the release's tests."""
    notebook = json.loads(json.dumps(released))
    for _ in range(data.draw(st.integers(1, 4))):
        part = data.draw(st.sampled_from(list(containers(notebook))))
        key = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        part[key] = data.draw(JSON)
    repaired = collected(tmp_path_factory.mktemp("fuzz"), released, json.dumps(notebook))
    nbformat.validate(repaired.notebook)
    nbformat.writes(repaired.notebook).encode()
    tests = [cell for cell in repaired.notebook.cells if nb.is_test(cell)]
    assert [(cell.id, cell.source) for cell in tests] == [(c.id, c.source) for c in released.cells if nb.is_test(c)]


def containers(part):
    """Every list and every object of a JSON value that holds something."""
    if isinstance(part, dict | list) and part:
        yield part
        for inner in part.values() if isinstance(part, dict) else part:
            yield from containers(inner)
