"""The course as a student meets it: JupyterLab, started by `make lab`, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from playwright.sync_api import BrowserContext, Locator, expect

from course import ROOT, answers, syllabus
from course import notebook as nb
from tests import browser, jupyterlab
from tests.browser import PHONE, PICTURES
from tests.jupyterlab import CONTROLS, Window
from utils import progress
from utils.explore import WIDGET_MIME

# Notebooks are executed before the browser is open: both use asyncio.
pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("executed_notebooks")]

FIRST = syllabus.load().notebooks[0]
FIGURES = ".jp-OutputArea-output img"
PHONE_COLUMN = 340  # pixels that Jupyter Notebook leaves for outputs on a phone
NARROW = "(panel, width) => {panel.style.width = width + 'px'; return panel.scrollWidth}"
OURS = [[".jp-OutputArea-output"], [".jp-RenderedMarkdown"]]  # what the course shows inside JupyterLab


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A student's home, with every cell of a notebook in the page at once."""
    home = tmp_path_factory.mktemp("home")
    settings = home / ".jupyter/lab/user-settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
    return home


@pytest.fixture(scope="module")
def server(student_tree, home):
    """JupyterLab on a student's tree."""
    with jupyterlab.started(["make", "lab", "WEEK=1"], student_tree, HOME=str(home)) as address:
        yield address


@pytest.fixture
def context(chromium, server):
    """A person's browser; what they have computed is gone afterwards, or forty weeks would fill the memory."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield context
    jupyterlab.end_kernels(context, server)
    context.close()


def test_a_student_is_stopped_by_the_first_exercise_answers_it_and_validates(context, server, home):
    said = browser.heard(context)
    window = Window(context, server, f"{FIRST.assignment}/{FIRST.stem}.ipynb")
    release = nb.read(FIRST.released())
    exercise, test = (release.cells.index(cell) for cell in next(nb.exercises(release)))
    name = nb.grade_id(release.cells[exercise])
    answer = next(a for a in answers.parse(FIRST.answers().read_text()) if (a.exercise, a.kind) == (name, "right"))
    expect(window.tab.get_by_text("Create Assignment")).to_have_count(0)  # what only instructors need

    window.run_all()
    expect(window.output(test)).to_contain_text("write your answer here, in place of this line")
    expect(window.cells.nth(test + 2).locator(".jp-InputPrompt").first).to_have_text("[ ]:")
    window.output(test).scroll_into_view_if_needed()
    window.picture(PICTURES / "unanswered.png")
    assert nb.regions(release.cells[test].source).visible[0] in window.validate()

    window.write(exercise, answer.code)
    window.run(test)
    expect(window.output(test)).to_contain_text(f"✓ {nb.grade_id(release.cells[test])}: passed")
    assert nb.regions(release.cells[test].source).visible[0] not in window.validate()
    window.picture(PICTURES / "answered.png")
    assert nb.grade_id(release.cells[test]) in passed(home)
    expect(window.tab.get_by_text("Jupyter news")).to_have_count(0)
    assert [line for line in said if "not loaded" in line or "Error" in line] == []


def passed(home) -> set[str]:
    """The tests of week 1 that a student has passed, as their own file says."""
    found = progress.chart(home / ".local/share/unified-ai-curriculum", ROOT)
    return next(standing.passed for standing in found if standing.stem == FIRST.stem)


def test_explorers_move_by_keyboard(context, server, student_tree, entry):
    path = student_tree / "work" / "explored" / f"{entry.stem}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(up_to_explorer(nb.read(entry.source())), path)
    window = Window(context, server, f"explored/{entry.stem}.ipynb")
    window.run_all()
    panel = window.cells.last.locator(".explorer")
    window.wait_for(panel.locator("img"))
    controls = panel.locator(CONTROLS).count()
    assert controls > 0
    for control in range(controls):
        move(window, panel, control)
    is_for_everybody(window, f"{entry.stem}-explorer", [[".explorer"]], window.picture)
    assert panel.evaluate(NARROW, PHONE_COLUMN) <= PHONE_COLUMN


def test_all_that_a_notebook_shows_is_for_everybody(context, server, home, student_tree, entry):
    path = student_tree / "work" / "executed" / f"{entry.stem}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(without_widgets(nb.read(entry.executed())), path)
    NotebookNotary(data_dir=str(home / ".local/share/jupyter")).sign(nbformat.read(path, 4))  # as if run by the person
    window = Window(context, server, f"executed/{entry.stem}.ipynb")
    count = len(pictures(nb.read(path)))
    expect(window.tab.locator(FIGURES)).to_have_count(count)
    is_for_everybody(window, entry.stem, OURS, window.pictures)
    assert sticking_out(context, f"{server}/notebooks/executed/{path.name}?token=t", entry.stem, count) == []


def is_for_everybody(window: Window, name: str, parts: list[list[str]], keep: Callable[[Path], None]) -> None:
    """Every figure has words, and axe finds nothing in parts of JupyterLab, dark and light; screenshots are kept."""
    assert window.tab.locator(f"{FIGURES}:not([alt]), {FIGURES}[alt='']").count() == 0
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        window.use_theme(theme)
        assert browser.violations(window.tab, {"include": parts}) == []
        keep(PICTURES / f"{name}-{theme.split()[1].lower()}.png")


def sticking_out(context: BrowserContext, address: str, name: str, count: int) -> list[dict]:
    """On a phone, in Jupyter Notebook, which the same server has: the figures that are cut off or tiny."""
    phone = context.new_page()
    phone.set_viewport_size(PHONE)
    phone.goto(address)
    figures = phone.locator(FIGURES)
    expect(figures).to_have_count(count)
    figures.last.scroll_into_view_if_needed()
    phone.screenshot(path=PICTURES / f"{name}-phone.png")
    boxes = [figure.bounding_box() for figure in figures.all()]
    return [box for box in boxes if box["x"] < 0 or box["x"] + box["width"] > PHONE["width"] or box["width"] < 300]


def pictures(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The outputs that hold a figure."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return [output for output in outputs if "<img" in output.get("data", {}).get("text/html", "")]


def without_widgets(executed: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """An executed notebook as it is opened again later: no widget is alive, and explorers show their picture."""
    for output in pictures(executed):
        output.data.pop(WIDGET_MIME, None)
    return executed


def up_to_explorer(source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook that ends with its explorer."""
    last = max(i for i, cell in enumerate(source.cells) if cell.cell_type == "code" and "explore(" in cell.source)
    source.cells = source.cells[: last + 1]
    return source


def move(window: Window, panel: Locator, number: int) -> None:
    """Reach a control by Tab from the one before it, press a key, and read other words under the picture."""
    control, picture = panel.locator(CONTROLS).nth(number), panel.locator("img")
    if number == 0:
        control.focus()
    for _ in range(3):  # a slider's number is a stop between two controls
        if not control.evaluate("element => element === document.activeElement"):
            window.tab.keyboard.press("Tab")
    expect(control).to_be_focused()
    before = picture.get_attribute("alt")
    at_least = control.get_attribute("aria-valuenow") == control.get_attribute("aria-valuemin")  # a slider at its end
    is_box = control.get_attribute("type") == "checkbox"
    is_slider = control.get_attribute("role") == "slider"
    window.tab.keyboard.press("Space" if is_box else "ArrowUp" if is_slider and at_least else "ArrowDown")
    expect(picture).not_to_have_attribute("alt", before)
