"""The website: what a reader sees, and no answer; from disk, without a network, for everybody."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from course import notebook as nb
from course import release, run, site
from tests import browser, tiny

FIGURE = """from utils import plot
fig, axis = plot.figure()
axis.plot([1, 2])
axis.set(title="Two", xlabel="x", ylabel="y")
plot.show(fig, alt="A line from 1 to 2.")"""
TEXT = "## Step 1\n\nA formula $x^2$ in a line, and\n\n$$\\sum_i \\frac{p_i}{\\sqrt d}$$\n\n| | |\n|---|---|\n| a | b |"


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


@pytest.fixture
def pages(built):
    return sorted(built.index.parent.rglob("*.html"))


@pytest.fixture(scope="module")
def chromium(needs):
    needs("chromium")
    with browser.chromium() as open_browser:
        yield open_browser


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
    path = course / "build" / "executed" / "cpu" / f"{tiny.ENTRY.stem}.ipynb"
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


def test_every_link_leads_somewhere_and_every_picture_has_words(pages):
    for page in pages:
        soup = BeautifulSoup(page.read_text(), "html.parser")
        assert [image for image in soup.find_all("img") if not image.get("alt")] == []
        for link in soup.find_all(["a", "link", "script", "img"]):
            address = urlsplit(link.get("href") or link.get("src") or "")
            if address.scheme or not (address.path or address.fragment):
                continue
            target = (page.parent / unquote(address.path)).resolve() if address.path else page
            assert target.exists(), (page, link)
            if address.fragment and target.suffix == ".html":
                assert BeautifulSoup(target.read_text(), "html.parser").find(id=unquote(address.fragment)), link


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_from_disk_in_a_browser_and_axe_finds_nothing(chromium, pages, scheme):
    context = chromium.new_context(color_scheme=scheme, offline=True)
    said = browser.heard(context)
    for page in pages:
        tab = context.new_page()
        tab.goto(page.as_uri())
        assert said == [], page
        found = Axe().run(tab, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
        assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == [], page
        tab.close()
    context.close()


def test_on_a_small_screen_nothing_is_cut_off_and_formulas_are_drawn(chromium, built):
    tab = chromium.new_page(viewport={"width": 390, "height": 844})
    tab.goto((built.index.parent / "week01" / f"{tiny.ENTRY.stem}.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.locator(".cell_output img").bounding_box()["width"] <= 390
    assert tab.locator("math").count() == 2
    assert tab.locator("math mfrac").bounding_box()["height"] > 20  # drawn, not written as text
    tab.goto((built.index.parent / "search.html").as_uri() + "?q=quadruple")
    tab.locator("#search-results li").first.wait_for()
    tab.close()
