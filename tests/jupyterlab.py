"""JupyterLab as a person starts it, and what they do in it."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, TimeoutError, expect

ADDRESS = re.compile(r"http://(?:localhost|127\.0\.0\.1):(\d+)/lab")
PRIVATE = ("PYTHONPATH", "VIRTUAL_ENV", "CI", "COURSE_UNATTENDED")  # what a student's terminal does not have
HIGH = 3000  # pixels of a window for screenshots: some five of them hold a notebook
# Scroll on by a window; whether there was anything below.
ON = "panel => {const top = panel.scrollTop; panel.scrollBy(0, panel.clientHeight); return panel.scrollTop > top + 1}"
CONTROLS = ".noUi-handle, select, input[type=checkbox]"


@contextmanager
def started(command: list[str], folder: Path, seconds: float = 60, **environment: str) -> Iterator[str]:
    """Run a command that becomes JupyterLab, and end it afterwards.

    Args:
        command: such as ``["make", "lab"]``.
        folder: where it runs.
        seconds: how long it may take until it answers.
        environment: added to this process's, without what a student's terminal does not have.

    Yields:
        The server's address; the token is ``t``.
    """
    environ = {name: value for name, value in os.environ.items() if name not in PRIVATE}
    environ |= {"JUPYTER_TOKEN": "t", "JUPYTER_PORT": "0", "BROWSER": "true"} | environment
    log = folder / "jupyterlab.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=out, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{_port(log, process, seconds)}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _port(log: Path, process: subprocess.Popen, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if found := ADDRESS.search(log.read_text()):
            return found[1]
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not answer in {seconds} s:\n{log.read_text()[-2000:]}")


def end_kernels(context: BrowserContext, address: str) -> None:
    """Shut down all kernels of a server."""
    for kernel in context.request.get(f"{address}/api/kernels?token=t").json():
        ended = context.request.delete(f"{address}/api/kernels/{kernel['id']}?token=t")
        assert ended.ok, ended.text()


class Window:
    """A browser's window on one notebook.

    Args:
        context: of the browser.
        address: the server's.
        path: the notebook's, from the folder that the server shows.
    """

    def __init__(self, context: BrowserContext, address: str, path: str) -> None:
        self.tab = context.new_page()
        alone = secrets.token_hex(4)  # a workspace of its own: JupyterLab opens nothing that an earlier window showed
        self.tab.goto(f"{address}/lab/workspaces/{alone}/tree/{path}?token=t")
        self.cells = self.tab.locator(".jp-Cell")
        self.cells.first.wait_for(timeout=60_000)
        named = self.tab.locator(".jp-KernelName", has_not_text="No Kernel")  # "idle" is shown before there is a kernel
        named.wait_for(timeout=60_000)
        self.tab.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=60_000)

    def run_all(self) -> None:
        """Run all cells, from the menu; returns when the first has been taken up."""
        self.choose("Run", "Run All Cells")
        expect(self.tab.locator(".jp-CodeCell .jp-InputPrompt").first).not_to_have_text("[ ]:")

    def choose(self, *labels: str) -> None:
        """Click through the menu: ``choose("Run", "Run All Cells")``."""
        bar, *rest = labels
        self.tab.locator(".lm-MenuBar-item").get_by_text(bar, exact=True).click()
        for label in rest:
            self.tab.locator(".lm-Menu-itemLabel").get_by_text(label, exact=True).last.click()

    def use_theme(self, name: str) -> None:
        """Switch to JupyterLab's theme of that name."""
        if self.tab.locator("body").get_attribute("data-jp-theme-name") != name:
            self.choose("Settings", "Theme", name)
            self.tab.locator(f"body[data-jp-theme-name='{name}']").wait_for(state="attached")

    def write(self, number: int, source: str) -> None:
        """Replace the source of a cell and run it."""
        self.cells.nth(number).locator(".cm-content").click()
        self.tab.keyboard.press("Control+A")
        self.tab.keyboard.insert_text(source)
        self.run(number)

    def run(self, number: int) -> None:
        """Run one cell, and wait for its end."""
        prompt = self.cells.nth(number).locator(".jp-InputPrompt").first
        before = prompt.inner_text()
        self.cells.nth(number).locator(".cm-content").click()
        self.tab.keyboard.press("Control+Enter")
        expect(prompt).not_to_have_text(before)
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"))

    def output(self, number: int) -> Locator:
        """What a cell shows."""
        return self.cells.nth(number).locator(".jp-Cell-outputArea")

    def wait_for(self, sign: Locator, seconds: float = 600) -> None:
        """Return when something is shown; fail at once when a cell fails, with what it said."""
        failed = self.tab.locator(".jp-OutputArea-output[data-mime-type$=stderr]")
        try:
            sign.or_(failed).first.wait_for(timeout=1000 * seconds)
        except TimeoutError as error:
            prompts = self.tab.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
            raise AssertionError(f"not shown in {seconds} s; the cells: {prompts}") from error
        assert not failed.count(), failed.first.inner_text()

    def validate(self) -> str:
        """Click nbgrader's Validate button; returns what it says."""
        self.tab.get_by_role("button", name="Validate").click()
        dialog = self.tab.locator(".jp-Dialog")
        dialog.wait_for(timeout=120_000)
        said = dialog.inner_text()
        dialog.get_by_role("button", name="Ok").click()
        return said

    def pictures(self, path: Path) -> None:
        """Keep screenshots of all texts and outputs, without the code, numbered from the notebook's start."""
        usual = self.tab.viewport_size
        self.tab.set_viewport_size({"width": usual["width"], "height": HIGH})
        self.tab.add_style_tag(content=".jp-CodeCell .jp-Cell-inputWrapper {display: none !important}")
        panel = self.tab.locator(".jp-WindowedPanel-outer")
        panel.evaluate("panel => panel.scrollTo(0, 0)")
        number, below = 0, True
        while below:
            number += 1
            self.picture(path.with_name(f"{path.stem}-{number}{path.suffix}"))
            below = panel.evaluate(ON)
        self.tab.set_viewport_size(usual)

    def picture(self, path: Path) -> None:
        """Keep a screenshot."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.tab.screenshot(path=path)
