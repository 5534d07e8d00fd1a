"""A real browser, Debian's chromium driven by Playwright, for pages that are looked at."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from course import ROOT

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
PICTURES = ROOT / "build" / "screenshots"
PHONE = {"width": 390, "height": 844}
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # no network but this machine

expect.set_options(timeout=60_000)  # ms; a busy machine is not a failure


@dataclass(frozen=True)
class Seen:
    """What the browser made of a page."""

    html: str  # the page as it is after its scripts have run
    console: list[str]  # messages, errors, and what could not be loaded


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; while it is open, nothing else in this thread can use asyncio."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=[*QUIET, ALONE])
        yield browser
        browser.close()


def heard(context: BrowserContext) -> list[str]:
    """A list to which everything is added that the pages of a context say or cannot load."""
    said: list[str] = []
    context.on("console", lambda message: said.append(message.text))
    context.on("weberror", lambda error: said.append(str(error.error)))
    context.on("requestfailed", lambda request: said.append(f"not loaded: {request.url}"))
    return said


def look(address: str) -> Seen:
    """Open a page and let a second pass."""
    with chromium() as browser:
        context = browser.new_context()
        said, tab = heard(context), context.new_page()
        tab.goto(address)
        tab.wait_for_timeout(1000)
        return Seen(tab.content(), said)


def violations(tab: Page, parts: dict) -> list[tuple[str, str]]:
    """What axe finds in parts of a page: ``{"include": …}`` or ``{"exclude": …}``, lists of selectors."""
    options = {"preload": False, "resultTypes": ["violations"]}
    found = Axe().run(tab, context=parts, options=options).response["violations"]
    return [(violation["id"], node["html"]) for violation in found for node in violation["nodes"]]


def active(html: str) -> list[str]:
    """Everything in a page that runs or loads something, by kind."""
    found = []
    for tag in BeautifulSoup(html, "html.parser").find_all(True):
        if tag.name in ("script", "iframe", "object", "embed", "svg", "link", "form", "base", "meta"):
            found.append(tag.name)
        found += [f"{tag.name} {name}" for name in tag.attrs if name.startswith("on") or name == "srcdoc"]
        addresses = [str(tag.attrs.get(name, "")) for name in ("href", "src")]
        found += [
            f"{tag.name} {address[:20]}" for address in addresses if re.match(r"\s*(javascript|data:text)", address)
        ]
    return sorted(found)
