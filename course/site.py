"""The course as a website: what students get, with the figures that they would see, search, and the map of the weeks.

It opens from disk and needs no network: formulas become MathML when it is built, which browsers show by themselves.
"""

from __future__ import annotations

import copy
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from docutils import nodes
from latex2mathml.converter import convert
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils
from sphinx.writers.html5 import HTML5Translator

from course import ROOT, CourseError, check, syllabus
from course import notebook as nb
from course.syllabus import Notebook, Syllabus
from utils.explore import SCRIPT_MIME, WIDGET_MIME
from utils.lab import CHECKPOINT_MIME

CONFIG = ROOT / "docs" / "site"
DROPPED = (WIDGET_MIME, CHECKPOINT_MIME)  # each has an output in HTML beside it


# What the theme and Sphinx leave out for people who use a screen reader.
MENDED = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer': '<aside aria-label="This page" class="toc-drawer',
    "<pre>": '<pre tabindex="0">',  # wide ones scroll
    '<div id="search-results"></div>': '<h1>Search</h1><div id="search-results"></div>',
}


class SiteFailed(CourseError):
    """The site cannot be built."""


@dataclass(frozen=True)
class Site:
    """What was built: the first page, how many pages there are, and Sphinx's warnings."""

    index: Path
    pages: int
    warnings: tuple[str, ...]


def build(into: Path, root: Path = ROOT) -> Site:
    """Build the site.

    Args:
        into: the folder for it; an earlier site there is replaced.
        root: the course; every released notebook must have been executed, see `missing`.

    Raises:
        SiteFailed: a notebook was not executed, or a page would show an answer.
    """
    if lacking := missing(root):
        raise SiteFailed(f"not executed: {', '.join(entry.stem for entry in lacking)}. Run: course run")
    source = into.with_name(f"{into.name}-source")
    for folder in (source, into):
        shutil.rmtree(folder, ignore_errors=True)
    _write_source(source, root)
    said = io.StringIO()
    with patch_docutils(CONFIG), docutils_namespace():
        app = Sphinx(source, CONFIG, into, source / ".doctrees", "html", status=None, warning=said)
        app.build(force_all=True)
    for page in into.rglob("*.html"):
        _mend(page)
    return Site(into / "index.html", len(app.env.found_docs), tuple(said.getvalue().splitlines()))


def missing(root: Path = ROOT) -> list[Notebook]:
    """The released notebooks that have no execution at the cpu profile, or an older one than their solution."""
    return [
        entry
        for entry in syllabus.load(root).notebooks
        if entry.released(root).exists()
        and not (
            entry.executed(root).exists() and entry.executed(root).stat().st_mtime >= entry.source(root).stat().st_mtime
        )
    ]


def _page(entry: Notebook) -> str:
    """A notebook's page, without ending: laid out as the released notebooks are, so that links between them hold."""
    return f"{entry.assignment}/{entry.stem}"


def _write_source(source: Path, root: Path) -> None:
    course = syllabus.load(root)
    there = [entry for entry in course.notebooks if entry.released(root).exists()]
    for entry in there:
        page = as_page(nb.read(entry.released(root)), nb.read(entry.executed(root)))
        if found := check.leaked(nb.read(entry.source(root)), lines(page)):
            raise SiteFailed(f"the page of {entry.stem} would show an answer: {found[0]}")
        path = source / f"{_page(entry)}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(page) + "\n", encoding="utf-8")
    for name, page in (("index", _index), ("papers", _papers), ("hardware", _hardware)):
        (source / f"{name}.md").write_text("\n".join(page(course, there)) + "\n", encoding="utf-8")


def _mend(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for before, after in MENDED.items():
        text = text.replace(before, after)
    page.write_text(text, encoding="utf-8")


def as_page(release: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """The released notebook with what its experiments showed when the solution was executed."""
    shown = {cell.id: cell.outputs for cell in executed.cells if cell.cell_type == "code"}
    page = copy.deepcopy(release)
    for cell in page.cells:
        if nb.EXPERIMENT in nb.tags(cell):
            cell.outputs = [_plain(output) for output in shown.get(cell.id, ()) if _is_seen(output)]
    return page


def lines(page: NotebookNode) -> Iterator[str]:
    """All that a reader sees of a page, line by line."""
    for cell in page.cells:
        yield from cell.source.splitlines()
        for output in cell.get("outputs", ()):
            texts = [output.get("text", ""), *output.get("data", {}).values()]
            yield from (line for text in texts for line in BeautifulSoup(text, "html.parser").get_text().splitlines())


def _is_seen(output: NotebookNode) -> bool:
    return output.get("name") != "stderr" and SCRIPT_MIME not in output.get("data", {})


def _plain(output: NotebookNode) -> NotebookNode:
    """An output as it looks when nothing moves: no live widget, and of a progress bar its last state."""
    output = copy.deepcopy(output)
    if output.output_type == "stream":
        output.text = re.sub(r"[^\n]*\r(?=[^\n])", "", output.text)
    for mime in set(DROPPED) & output.get("data", {}).keys():
        del output.data[mime]
    return output


def _index(course: Syllabus, there: list[Notebook]) -> Iterator[str]:
    yield from (
        "# Unified AI Curriculum",
        "",
        "Forty weeks of notebooks, from NumPy to the research frontier. In each you build one thing yourself, test it",
        "while you write it, measure it, and learn why it works. These pages show what students get, with the figures",
        "of an executed copy; the answers are for you to write. A notebook opens in JupyterLab or, by the link under",
        "its title, in Colab.",
        "",
        "```{toctree}",
        ":hidden:",
        ":caption: The weeks",
        *(f"Week {entry.when} · {entry.title} <{_page(entry)}>" for entry in there),
        "```",
        "",
        "```{toctree}",
        ":hidden:",
        ":caption: Lists",
        "papers",
        "hardware",
        "```",
        "",
        "## The map",
    )
    for phase in course.phases:
        first, last = phase.weeks
        yield from ("", f"### Weeks {first}–{last} · {phase.title}", "", phase.goal, "")
        yield from ("| week | notebook | you build | checkpoint | hours |", "|---|---|---|---|---|")
        for entry in phase.notebooks:
            name = f"[{entry.title}]({_page(entry)}.ipynb)" if entry in there else f"{entry.title} (planned)"
            yield f"| {entry.when} | {name} | {entry.build} | {entry.checkpoint} | {entry.hours} |"


def _papers(course: Syllabus, there: list[Notebook]) -> Iterator[str]:
    yield from ("# Papers", "")
    for title, papers in (("Everybody reads", course.must_read), ("Recommended", course.recommended)):
        yield from (f"## {title}", "", "| paper | year | known as | week |", "|---|---|---|---|")
        yield from (f"| {p['title']} | {p['year']} | {p['name']} | {p['week']} |" for p in papers)
        yield ""
    yield from ("## By week", "", "| week | notebook | papers |", "|---|---|---|")
    yield from (f"| {n.when} | {n.title} | {'; '.join(n.papers)} |" for n in course.notebooks if n.papers)


def _hardware(course: Syllabus, there: list[Notebook]) -> Iterator[str]:
    yield from (
        "# Hardware and libraries",
        "",
        "Every notebook runs at profile `cpu` on two laptop cores without a network. Profile `gpu` is the real thing",
        "on one data-centre GPU.",
        "",
        "| weeks | phase | what it is for at full size |",
        "|---|---|---|",
    )
    yield from (f"| {p.weeks[0]}–{p.weeks[1]} | {p.title} | {p.hardware} |" for p in course.phases)
    yield from ("", "| library | used for |", "|---|---|")
    yield from (f"| {library['name']} | {library['use']} |" for library in course.libraries)


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    formula = convert(node.astext(), display="block").replace("<math ", '<math tabindex="0" ', 1)  # wide ones scroll
    translator.body.append(f"<div>{formula}</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    """Sphinx calls this: formulas as MathML."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
