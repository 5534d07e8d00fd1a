"""What a student wrote or printed, as HTML in which nothing can run: for feedback and for formgrader's pages.

nbconvert's own ``sanitize_html`` would remove figures and tables, and nbgrader's templates do not apply it to text.
"""

from __future__ import annotations

import html
import re

import bleach
import nbformat
from bleach.css_sanitizer import ALLOWED_CSS_PROPERTIES, CSSSanitizer
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_output

# nbconvert shows an SVG as the source of an <img>, where no script runs.
SHOWN = ("text/html", "text/markdown", "text/latex", "image/png", "image/jpeg", "image/svg+xml", "text/plain")
PASTED = {"image/png", "image/jpeg"}
TEXT = {"br", "del", "div", "hr", "kbd", "mark", "p", "pre", "s", "small", "span", "sub", "sup", "u"}
BLOCKS = {"h1", "h2", "h3", "h4", "h5", "h6", "dl", "dt", "dd", "details", "summary"}
FIGURES = {"img", "figure", "figcaption"}
TABLES = {"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"}
TAGS = bleach.ALLOWED_TAGS | TEXT | BLOCKS | FIGURES | TABLES
PLAIN = frozenset({"align", "alt", "border", "colspan", "height", "rowspan", "start", "title", "width"})
SAFE_VALUE = {
    # No address of this server: Jupyter would act on it with the instructor's rights.
    "href": re.compile(r"(?:https?://|mailto:).*", re.I | re.S),
    "src": re.compile(r"data:image/(?:png|jpeg|gif|svg\+xml);base64,[\w+/=\s]*"),
    "style": re.compile(r"(?!.*url)[^\\]*", re.I | re.S),
    # Those of highlighted code and of data frames; others could pass for formgrader's buttons.
    "class": re.compile(r"highlight|dataframe|[a-z]{1,2}\d?"),
}
NAMES = {"student", "first_name", "last_name", "notebook_path"}  # which formgrader's template shows as they are
LAYOUT = ("background", "border", "border-left", "border-radius", "margin", "max-width", "padding")
CSS = CSSSanitizer(allowed_css_properties=[*ALLOWED_CSS_PROPERTIES, *LAYOUT])
STYLE_SHEET = re.compile(r"<style\b.*?</style\s*>", re.I | re.S)  # a data frame brings one


def clean(markup: str) -> str:
    """HTML in which no script can run and which loads nothing. What is not allowed is shown as text."""
    # With the style sheets gone, bleach still sees everything that is left.
    without = STYLE_SHEET.sub("", markup)
    protocols = {"http", "https", "mailto", "data"}
    return bleach.clean(without, tags=TAGS, attributes=_is_allowed, protocols=protocols, css_sanitizer=CSS)


def _is_allowed(tag: str, attribute: str, value: str) -> bool:
    safe = SAFE_VALUE.get(attribute)
    return attribute in PLAIN or bool(safe and safe.fullmatch(value.strip()))


class _Renderer(IPythonRenderer):
    """A picture that was not sent along does not end the page."""

    def _embed_image_or_attachment(self, source: str) -> str:
        return source


def markdown_to_html(source: str) -> str:
    """Render markdown; takes the place of nbconvert's filter ``markdown2html``."""
    return clean(MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(source))


class Harmless(Preprocessor):
    """Keeps of a notebook's outputs what can be shown: no scripts, no widgets, no metadata (nbconvert trusts it)."""

    enabled = True

    def preprocess(self, notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        for name in NAMES & resources.keys():
            resources[name] = html.escape(resources[name] or "")
        return super().preprocess(notebook, resources)

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        if cell.cell_type == "code":
            cell.execution_count = cell.execution_count if isinstance(cell.execution_count, int) else None
            cell.outputs = [_shown(output) for output in cell.outputs if _is_output(output)]
        for name, picture in cell.get("attachments", {}).items():
            for kind in picture.keys() & PASTED:
                data = f"data:{kind};base64,{''.join(picture[kind]).strip()}"
                cell.source = cell.source.replace(f"(attachment:{name})", f"({data})")
        return cell, resources


def _is_output(output: NotebookNode) -> bool:
    """Whether it has the form of an output; a file that was written by hand may hold anything."""
    try:
        nbformat.validate(output, ref="output", version=4)
    except nbformat.ValidationError:
        return False
    return True


def _shown(output: NotebookNode) -> NotebookNode:
    if output.output_type == "stream":
        return new_output("stream", name="stdout", text=output.text)
    if output.output_type == "error":
        return new_output("error", ename=output.ename, evalue=output.evalue, traceback=output.traceback)
    data = {kind: output.data[kind] for kind in SHOWN if kind in output.data}
    if "text/html" in data:
        data["text/html"] = clean(data["text/html"])
    return new_output("display_data", data=data)
