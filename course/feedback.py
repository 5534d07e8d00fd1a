"""What a student gets back: the notebook as it was sent, and a verdict for each test, without hidden tests."""

from __future__ import annotations

import ast
import builtins
import json
import re
from functools import lru_cache
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor

from course import ROOT
from course import notebook as nb
from course.execute import End

PASSED, UNANSWERED = "passed", "not answered"
UNNAMED = "a property that the exercise asks for does not hold"
WITHHELD = "a message that holds text of a hidden test"
LONGEST = 500  # characters of a message
TELLING = 20  # characters: a piece of a hidden test that occurs in a message only if it was copied
VALUES = re.compile(r"True|False|None|tensor|array|dtype|float|nan|inf|[\W\d]")  # are in honest messages, too

# nbgrader's page has no room between a table's columns, and hides that a hint can be opened.
STYLE = """
.rendered_html table { margin-bottom: 1em; }
.rendered_html th, .rendered_html td { padding: 2px 16px 2px 0; vertical-align: top; }
.rendered_html summary { display: list-item; cursor: pointer; }
.rendered_html img { max-width: 100%; }
"""


class AsSubmitted(NbGraderPreprocessor):
    """First step of nbgrader's feedback: outputs of the grading run, which can show hidden tests, are replaced."""

    def preprocess(self, graded: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        where = resources["nbgrader"]
        student, assignment, notebook = where["student"], where["assignment"], where["notebook"]
        folder = Path(self.config.CourseDirectory.root, self.config.CourseDirectory.submitted_directory)
        sent = nb.read(folder / student / assignment / f"{notebook}.ipynb")
        outputs = {cell.id: cell.outputs for cell in sent.cells if cell.cell_type == "code"}
        result = json.loads((folder.parent / "results" / assignment / f"{student}.json").read_text(encoding="utf-8"))
        marks = {mark["cell"]: mark for mark in result["marks"] if mark["notebook"] == notebook}
        for cell in graded.cells:
            if cell.cell_type != "code":
                continue
            if nb.is_test(cell):
                mark = marks[nb.grade_id(cell)]
                cell.source = "\n".join(nb.regions(cell.source).visible)
                said = f"{'✓' if mark['score'] else '✗'} {mark['message']}\n"
                cell.outputs = [new_output("stream", name="stdout", text=said)]
            else:
                cell.outputs = outputs.get(cell.id, [])
        return graded, resources


class Styled(NbGraderPreprocessor):
    """Last step: a few rules after the style sheets of nbgrader and nbconvert."""

    def preprocess(self, graded: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        resources["inlining"]["css"].append(STYLE)
        return graded, resources


def message(end: End, test: str, master: NotebookNode) -> str:
    """What a student is told about a test.

    A student's code can raise anything, a hidden test's own text included. So of what was raised in a hidden part only
    those words are told that its author wrote down as messages.

    Args:
        end: how the test ended.
        test: its source, with the hidden part.
        master: the notebook with all hidden tests.
    """
    if not end.part:
        return PASSED
    if end.part == "grader":
        return end.message
    if end.error == "NotImplementedError":
        return UNANSWERED
    if end.part == "hidden":
        if end.error != "AssertionError":
            return f"{end.error if end.error in vars(builtins) else 'an error'} in a hidden test"
        return _in_the_authors_words(end.message.strip(), test) or UNNAMED
    named = "" if end.error == "AssertionError" else end.error
    said = ": ".join(part for part in (named, end.message.strip()) if part) or UNNAMED
    if not _telling_pieces(master).isdisjoint(_pieces(said)):
        return WITHHELD
    return said if len(said) <= LONGEST else f"{said[:LONGEST]} …"


def _telling_pieces(master: NotebookNode) -> frozenset[str]:
    """Stretches of a notebook's hidden tests that give one away, without spaces. Words and numbers alone do not."""
    parts = [(nb.is_test(cell), nb.regions(cell.source)) for cell in master.cells]
    hidden = "\n".join("\n".join(part.hidden) for is_test, part in parts if is_test)
    return _only_in(hidden, "\n".join("\n".join(part.visible) for _, part in parts))


@lru_cache(maxsize=4)  # the same for all tests and all students of a week
def _only_in(hidden: str, public: str) -> frozenset[str]:
    code = re.sub("|".join(map(re.escape, sorted(_literals(hidden), key=len, reverse=True))) or "$", "\0", hidden)
    return frozenset(piece for piece in _pieces(code) - _pieces(public) if len(VALUES.sub("", piece)) > TELLING / 2)


def _pieces(text: str) -> frozenset[str]:
    dense = re.sub(r"\s", "", text)
    return frozenset(dense[i : i + TELLING] for i in range(len(dense) - TELLING + 1))


def _in_the_authors_words(said: str, test: str) -> str:
    """What of a message stands as text in the test or in utils.expect; an ellipsis for anything else."""
    words = sorted(_literals(test) | _expect(), key=len, reverse=True)
    told = re.split("(" + "|".join(map(re.escape, words)) + ")", said[: 2 * LONGEST])
    kept = [part if i % 2 else re.sub(r"\w.*\w|\w", "…", part, flags=re.S) for i, part in enumerate(told)]
    return "".join(kept) if any(word in kept for word in words if len(word) > TELLING / 2) else ""


@lru_cache(maxsize=100)
def _literals(source: str) -> frozenset[str]:
    found = (n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return frozenset(text for text in found if len(text) > 2)


@lru_cache(maxsize=1)
def _expect() -> frozenset[str]:
    return _literals((ROOT / "utils" / "expect.py").read_text(encoding="utf-8"))
