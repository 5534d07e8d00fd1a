"""How the website is built: with what experiments showed, and without an answer."""

from __future__ import annotations

import os

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from course import notebook as nb
from course import release, run, site
from tests import tiny

FIGURE = """from utils import plot
fig, axis = plot.figure()
axis.plot([1, 2])
axis.set(title="Two", xlabel="x", ylabel="y")
plot.show(fig, alt="A line from 1 to 2.")"""
TEXT = "## Step 1\n\nA formula $x^2$ in a line, and\n\n$$\\sum_i \\frac{p_i}{\\sqrt d}$$"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The tiny course with a formula and a figure, released and executed."""
    source = tiny.notebook()
    source.cells.insert(3, new_markdown_cell(TEXT, id="text"))
    source.cells.append(new_code_cell(FIGURE, id="figure", metadata={"tags": ["experiment"]}))
    root = tiny.course(tmp_path_factory.mktemp("site"), source)
    tiny.as_real_course(root)
    release.release((tiny.ENTRY,), root)
    run.run((tiny.ENTRY,), root=root)
    return root


@pytest.fixture(scope="module")
def built(course):
    return site.build(course / "build" / "site", course)


def test_it_is_built_without_a_warning_and_shows_what_experiments_showed(built):
    assert built.warnings == ()
    page = (built.index.parent / "week01" / f"{tiny.ENTRY.stem}.html").read_text()
    text = BeautifulSoup(page, "html.parser").get_text()
    assert "measured 3 ×" in text
    assert "write your answer here" in text
    assert "A line from 1 to 2." in page
    assert "twice_the_number" not in page
    assert "hidden_question_about_seven" not in page


def test_a_page_that_would_show_an_answer_is_not_built(course, tmp_path):
    path = tiny.ENTRY.executed(course)
    before = path.read_bytes()
    executed = nb.read(path)
    canary = new_output("stream", name="stdout", text="see:\n    twice_the_number = x + x\n")
    next(cell for cell in executed.cells if cell.id == "figure").outputs.append(canary)
    nbformat.write(executed, path)
    try:
        with pytest.raises(site.SiteFailed, match="would show an answer"):
            site.build(tmp_path / "site", course)
    finally:
        path.write_bytes(before)


def test_a_notebook_that_changed_since_it_was_executed_is_named(course, tmp_path):
    source = tiny.ENTRY.source(course)
    before = source.stat()
    os.utime(source, (before.st_atime, before.st_mtime + 3600))
    with pytest.raises(site.SiteFailed, match=f"not executed: {tiny.ENTRY.stem}"):
        site.build(tmp_path / "site", course)
    os.utime(source, (before.st_atime, before.st_mtime))
    assert site.missing(course) == []
