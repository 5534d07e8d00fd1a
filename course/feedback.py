"""What a student gets back: the notebook as it was sent, and a verdict for each test, without hidden tests."""

from __future__ import annotations

from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor

from course import notebook as nb

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
        folder = Path(self.config.CourseDirectory.root, self.config.CourseDirectory.submitted_directory)
        sent = nb.read(folder / where["student"] / where["assignment"] / f"{where['notebook']}.ipynb")
        outputs = {cell.id: cell.outputs for cell in sent.cells if cell.cell_type == "code"}
        for cell in graded.cells:
            if cell.cell_type != "code":
                continue
            if nb.is_test(cell):
                mark, message = verdict(cell)
                cell.source = "\n".join(nb.regions(cell.source).visible)
                cell.outputs = [new_output("stream", name="stdout", text=f"{mark} {message}\n")]
            else:
                cell.outputs = outputs.get(cell.id, [])
        return graded, resources


class Styled(NbGraderPreprocessor):
    """Last step: a few rules after the style sheets of nbgrader and nbconvert."""

    def preprocess(self, graded: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        resources["inlining"]["css"].append(STYLE)
        return graded, resources


def verdict(cell: NotebookNode) -> tuple[str, str]:
    """What became of a test cell that was run.

    Returns:
        ``"✓"`` or ``"✗"``, and a message for the student.
    """
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if not errors:
        return "✓", "passed"
    name, message = errors[-1].ename, errors[-1].evalue.strip()
    if name == "NotImplementedError":
        return "✗", "not answered"
    if name in ("AssertionError", "NotRun", "KernelDied", "CellTimeoutError"):
        return "✗", message or "a property that the exercise asks for does not hold"
    return "✗", f"{name}: {message}"
