"""A newer release comes into a student's copy, and nothing that the student wrote goes out of it."""

from __future__ import annotations

import copy
import subprocess
import sys

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course import files, release, update, work
from course import notebook as nb
from tests import tiny

ANSWER = "def double(x):\n    return 2 * x  # mine"


@pytest.fixture
def opened(course):
    """A course whose tiny week is released and copied into work/."""
    tiny.as_real_course(course)
    release.release((tiny.ENTRY,), course)
    work.open_week((tiny.ENTRY,), course)
    return course


def work_on(root, **answers):
    """A student answers, and puts a cell of their own after the first exercise."""
    path = work.copy_of(tiny.ENTRY, root)
    mine = tiny.answered(path, answers)
    mine.cells.insert([cell.id for cell in mine.cells].index("double") + 1, new_code_cell("double(21)", id="own"))
    nbformat.write(mine, path)
    return path


def release_again(root, **changes):
    """A release with other texts, without the heading, and with a new cell at its end."""
    source = nb.read(tiny.ENTRY.source(root))
    source.cells = [cell for cell in source.cells if cell.id != "heading"]
    for cell in source.cells:
        cell.source = changes.get(cell.id, cell.source)
    source.cells.append(new_markdown_cell("## Recap", id="recap"))
    nbformat.write(source, tiny.ENTRY.source(root))
    release.release((tiny.ENTRY,), root)


NEW_TEST = tiny.TEST_DOUBLE.replace("double(2) == 4", "double(3) == 6")
NEW_STUB = tiny.DOUBLE.replace("Twice x.", "Two times x.")


def test_only_cells_that_the_student_left_alone_change(opened):
    path = work_on(opened, double=ANSWER)
    before = path.read_bytes()
    release_again(opened, test_double=NEW_TEST, double=NEW_STUB, why="Because.")
    assert update.is_newer(tiny.ENTRY, opened)
    done = update.update(tiny.ENTRY, opened)
    cells = {cell.id: cell.source for cell in nb.read(path).cells}
    assert list(cells)[:6] == ["title", "parameters", "setup", "double", "own", "test_double"]
    assert cells["double"] == ANSWER
    assert "double(3) == 6" in cells["test_double"]
    assert (done.changed, done.added, done.removed, done.kept) == (
        ["test_double"],
        ["Recap"],
        ["Exercise 2 · Quadruple"],
        ["double"],
    )
    assert done.before.read_bytes() == before
    assert not update.is_newer(tiny.ENTRY, opened)


def test_what_an_interrupted_update_left_is_finished_by_the_next(opened, monkeypatch):
    path = work_on(opened, double=ANSWER)
    release_again(opened, test_double=NEW_TEST)
    real = files.write_text

    def power_cut(target, text):
        if target == work.base_of(tiny.ENTRY, opened):
            raise KeyboardInterrupt
        real(target, text)

    monkeypatch.setattr(files, "write_text", power_cut)
    with pytest.raises(KeyboardInterrupt):
        update.update(tiny.ENTRY, opened)
    monkeypatch.setattr(files, "write_text", real)
    merged = path.read_bytes()
    done = update.update(tiny.ENTRY, opened)
    assert (done.kept, done.before, path.read_bytes()) == ([], None, merged)


def test_a_copy_that_cannot_be_read_is_left_as_it_is(opened):
    path = work.copy_of(tiny.ENTRY, opened)
    path.write_text("{")
    release_again(opened)
    with pytest.raises(update.CannotUpdate, match="left as it is"):
        update.update(tiny.ENTRY, opened)
    assert path.read_text() == "{"


def test_the_command_says_what_is_new_and_where_the_old_copy_is(opened):
    work_on(opened, double=ANSWER)
    command = [sys.executable, "-m", "course", "open", "1"]
    options = {"cwd": opened, "capture_output": True, "text": True, "env": tiny.environment(opened)}
    assert "yours, untouched" in subprocess.run(command, **options).stdout
    release_again(opened, test_double=NEW_TEST)
    said = subprocess.run(command, **options)
    assert said.returncode == 0, said.stderr
    for part in ("new: Recap", "changed: test_double", "no longer there: Exercise 2", "before-updates/week01_tiny-"):
        assert part in said.stdout


text = st.sampled_from(["a = 1", "b = 2", "c = 3", "d = 4"])
book = st.dictionaries(st.sampled_from("pqrst"), text, max_size=5)


@settings(max_examples=300, deadline=None)
@given(base=book, new=book, edits=book, deleted=st.sets(st.sampled_from("pqrst")), extra=st.lists(st.integers(0, 5)))
def test_whatever_both_sides_did_every_cell_of_the_student_stays(base, new, edits, deleted, extra):
    def as_book(cells):
        return new_notebook(cells=[new_code_cell(source, id=f"cell-{name}") for name, source in cells.items()])

    mine = as_book({name: edits.get(name, source) for name, source in base.items() if name not in deleted})
    for number, place in enumerate(extra):
        mine.cells.insert(min(place, len(mine.cells)), new_code_cell(f"mine_{number}", id=f"own-{number}"))
    released = {f"cell-{name}": source for name, source in base.items()}
    written = [cell.source for cell in mine.cells if released.get(cell.id) != cell.source]
    merged = update.merge(as_book(base), copy.deepcopy(mine), as_book(new)).notebook
    there = [cell.source for cell in merged.cells]
    assert all(there.count(source) >= written.count(source) for source in written)
    assert len({cell.id for cell in merged.cells}) == len(merged.cells)
    untouched = {name for name in base if name in new and name not in deleted and name not in edits}
    sources = {cell.id: cell.source for cell in merged.cells}
    assert all(sources[f"cell-{name}"] == new[name] for name in untouched)
