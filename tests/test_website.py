"""The website as a reader meets it: from disk, without a network, for everybody."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Page

from course import site, syllabus
from tests import browser
from tests.browser import PHONE, PICTURES

pytestmark = pytest.mark.browser

LISTS = ("index", "papers", "hardware", "search")


@pytest.fixture(scope="module")
def folder(executed_notebooks, tmp_path_factory):
    """The website of all that is written."""
    built = site.build(tmp_path_factory.mktemp("website") / "site")
    assert built.warnings == ()
    return built.index.parent


@pytest.fixture
def reader(chromium):
    """A window without a network, and what it complains of."""
    context = chromium.new_context(offline=True)
    yield context.new_page(), browser.heard(context)
    context.close()


def is_for_everybody(tab: Page, place: Path, picture: str, but: str = "none") -> None:
    """A page passes axe in light and dark, and fits a phone; screenshots are kept."""
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(place.as_uri())
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert browser.violations(tab, {"exclude": [[but]]}) == []
        tab.screenshot(path=PICTURES / f"site-{picture}-{scheme}.png")
    tab.set_viewport_size(PHONE)
    tab.screenshot(path=PICTURES / f"site-{picture}-phone.png")
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_weeks_page_is_for_everybody_and_shows_figures_and_formulas(folder, reader, entry):
    tab, said = reader
    is_first = entry == syllabus.load().notebooks[0]
    but = "none" if is_first else ".highlight"  # code is coloured alike on every page, and slow to look at
    is_for_everybody(tab, folder / entry.assignment / f"{entry.stem}.html", entry.stem, but)
    assert max(box["width"] for box in boxes(tab, ".cell_output img")) <= PHONE["width"]
    assert max(box["height"] for box in boxes(tab, "math mfrac")) > 20  # drawn, not written as text
    assert said == []


def boxes(tab: Page, selector: str) -> list[dict]:
    """Where the elements that are seen are, in pixels."""
    return [box for element in tab.locator(selector).all() if (box := element.bounding_box())]


def test_the_first_page_and_the_lists_are_for_everybody(folder, reader):
    tab, said = reader
    for name in LISTS:
        is_for_everybody(tab, folder / f"{name}.html", name)
    assert said == []


def test_search_works_from_disk(folder, reader):
    tab, said = reader
    tab.goto((folder / "search.html").as_uri() + "?q=perplexity")
    tab.locator("#search-results li a").first.wait_for()
    assert said == []


def test_every_link_leads_somewhere_and_every_picture_has_words(folder):
    soups = {page: BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser") for page in folder.rglob("*.html")}
    for page, soup in soups.items():
        assert [image for image in soup.find_all("img") if not image.get("alt")] == []
        for link in soup.find_all(["a", "link", "script", "img"]):
            address = urlsplit(link.get("href") or link.get("src") or "")
            if address.scheme or not (address.path or address.fragment):
                continue
            target = (page.parent / unquote(address.path)).resolve() if address.path else page
            assert target.exists(), (page, link)
            if address.fragment and target in soups:
                assert soups[target].find(id=unquote(address.fragment)), link
