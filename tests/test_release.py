"""A release strips the answers, twice the same, and never hands out or overwrites what it should not."""

from __future__ import annotations

import nbformat
import pytest

from course import check, release
from course import notebook as nb
from tests import tiny

CANARY = "canary_7f3a_is_a_secret"


def solution_with(root, cell_id: str, change) -> None:
    """Edit one cell of the tiny solution."""
    path = tiny.ENTRY.source(root)
    source = nb.read(path)
    cell = next(cell for cell in source.cells if cell.id == cell_id)
    cell.source = change(cell.source)
    nbformat.write(source, path)


def test_a_release_lacks_solutions_and_hidden_tests_and_keeps_the_visible_part(course):
    release.release((tiny.ENTRY,), course)
    text = tiny.ENTRY.released(course).read_text()
    assert "twice_the_number" not in text
    assert "hidden_question_about_seven" not in text
    assert "twice two is four" in text
    assert "write your answer here" in text


def test_a_second_release_is_the_same_byte_for_byte_and_writes_nothing(course):
    release.release((tiny.ENTRY,), course)
    before = tiny.ENTRY.released(course).read_bytes()
    again = release.release((tiny.ENTRY,), course)
    assert again.written == ()
    assert tiny.ENTRY.released(course).read_bytes() == before


def test_the_badge_and_the_setup_cell_carry_the_address_of_pyproject(course):
    project = course / "pyproject.toml"
    project.write_text(
        project.read_text().replace(release.repository(course), "https://github.com/a-school/its-course")
    )
    release.release((tiny.ENTRY,), course)
    released = nb.read(tiny.ENTRY.released(course))
    assert "github/a-school/its-course/blob/student/notebooks/week01/week01_tiny.ipynb" in released.cells[0].source
    assert '"https://github.com/a-school/its-course"' in released.cells[2].source
    assert "@repository@" not in tiny.ENTRY.released(course).read_text()


def test_a_notebook_edited_by_hand_is_not_overwritten(course):
    release.release((tiny.ENTRY,), course)
    path = tiny.ENTRY.released(course)
    path.write_text(path.read_text().replace("Two functions.", "Two functions, explained."))
    edited = path.read_bytes()
    with pytest.raises(release.ReleaseRefused, match="edited by hand"):
        release.release((tiny.ENTRY,), course)
    assert path.read_bytes() == edited
    release.release((tiny.ENTRY,), course, overwrite_edits=True)
    assert "explained" not in path.read_text()


@pytest.mark.parametrize(
    ("marker", "typo"),
    [
        ("### BEGIN SOLUTION", "### BEGIN SOLUTON"),
        ("### BEGIN SOLUTION", "### begin solution"),
        ("### END SOLUTION", "### END SOLUTON"),
        ("### END SOLUTION", ""),
    ],
)
def test_a_mistyped_marker_stops_the_release_and_changes_nothing(course, marker, typo):
    release.release((tiny.ENTRY,), course)
    before = tiny.ENTRY.released(course).read_bytes()
    solution_with(course, "double", lambda text: text.replace(marker, typo))
    with pytest.raises(release.ReleaseRefused, match="double"):
        release.release((tiny.ENTRY,), course)
    assert tiny.ENTRY.released(course).read_bytes() == before


def test_a_mistyped_hidden_marker_stops_the_release(course):
    solution_with(course, "test_double", lambda text: text.replace("BEGIN HIDDEN TESTS", "BEGIN HIDDEN TEST"))
    with pytest.raises(release.ReleaseRefused, match="test_double"):
        release.release((tiny.ENTRY,), course)
    assert not tiny.ENTRY.released(course).exists()


@pytest.mark.parametrize("cell_id", ["double", "test_double", "why"])
def test_a_secret_line_that_reaches_a_release_is_found(course, cell_id):
    secret = f"{CANARY} = 1" if cell_id != "why" else CANARY
    begin = {"double": "### BEGIN SOLUTION\n    ", "test_double": "### BEGIN HIDDEN TESTS\n", "why": ""}[cell_id]
    solution_with(course, cell_id, lambda text: text.replace(begin, begin + secret + "\n" + begin[-4:].strip("\nA-Z")))
    release.release((tiny.ENTRY,), course)
    source, released = nb.read(tiny.ENTRY.source(course)), nb.read(tiny.ENTRY.released(course))
    assert CANARY not in tiny.ENTRY.released(course).read_text()
    assert check.leaks(source, released) == []
    released.cells[0].source += f"\n{secret}"
    assert check.leaks(source, released) == [f"leaked into the release: {secret!r}"]


def test_a_notebook_that_was_renamed_or_removed_leaves_no_old_release(course):
    release.release((tiny.ENTRY,), course)
    old = tiny.ENTRY.released(course).with_name("week01_old_name.ipynb")
    tiny.ENTRY.released(course).rename(old)
    release.release((tiny.ENTRY,), course)
    assert not old.exists()
    assert tiny.ENTRY.released(course).exists()
