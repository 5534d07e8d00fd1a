"""A real browser, Debian's chromium, for pages that are looked at."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass

from bs4 import BeautifulSoup


@dataclass(frozen=True)
class Seen:
    """What the browser made of a page."""

    html: str  # the page as it is after its scripts have run
    console: list[str]  # errors and messages


def look(address: str) -> Seen:
    """Open a page in chromium, without any network but this machine, and let five seconds of its own time pass."""
    with tempfile.TemporaryDirectory() as profile:
        quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        alone = ["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        watched = ["--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom"]
        command = ["chromium", *quiet, *alone, *watched, f"--user-data-dir={profile}", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return Seen(done.stdout, re.findall(r":CONSOLE.*", done.stderr))


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
