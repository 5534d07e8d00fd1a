"""From solutions/ to notebooks/: nbgrader strips the answers; we add addresses, the proofs and care for hand edits."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import NbGraderPreprocessor

from course import ROOT, CourseError, check, gradebook
from course import notebook as nb
from course.desk import GRADING, Desk
from course.syllabus import Notebook

STUDENT_BRANCH = "student"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
PROGRESS = """# Your progress

The forty weeks with what you have passed and measured. Run both cells. This is kept in a file of your own, which no
update touches and nobody else reads."""


class ReleaseRefused(CourseError):
    """A release would hand out an answer, or overwrite a person's work."""


@dataclass(frozen=True)
class Release:
    """What a release did."""

    written: tuple[Path, ...]
    unchanged: tuple[Path, ...]


class Publish(NbGraderPreprocessor):
    """nbgrader's last step on a released notebook: addresses, and a seal that shows a later edit by hand."""

    def preprocess(self, notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        stem, assignment = resources["nbgrader"]["notebook"], resources["nbgrader"]["assignment"]
        address = repository(Path(self.config.CourseDirectory.root))
        return addressed(notebook, address, f"notebooks/{assignment}/{stem}.ipynb"), resources


def repository(root: Path = ROOT) -> str:
    """The repository's address, from pyproject.toml: the only place that knows it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


def addressed(notebook: NotebookNode, address: str, path: str) -> NotebookNode:
    """A student's notebook with the repository's address, a link to Colab under its title, and its seal.

    Args:
        notebook: changed in place; its first cell is the title.
        address: the repository.
        path: the notebook's place in it.
    """
    for cell in notebook.cells:
        cell.source = cell.source.replace("@repository@", address)
    title, _, rest = notebook.cells[0].source.partition("\n")
    notebook.cells[0].source = f"{title}\n\n{colab_link(address, path)}\n{rest}"
    notebook.metadata["course"] = {"release": seal(notebook)}
    return notebook


def colab_link(address: str, path: str) -> str:
    """The link that opens a student's notebook in Colab, in words: a picture from another host is missing offline."""
    inside = address.removeprefix("https://github.com/")
    return f"**[Open in Colab](https://colab.research.google.com/github/{inside}/blob/{STUDENT_BRANCH}/{path})**"


def progress_notebook(root: Path = ROOT) -> NotebookNode:
    """The notebook that shows a student's progress; see ``utils.progress_map``."""
    show = "from utils import progress_map\n\nprogress_map.show()"
    cells = [
        new_markdown_cell(PROGRESS, id="title"),
        new_code_cell(check.SETUP_CELL.rstrip(), id="setup", metadata={"tags": [nb.SETUP]}),
        new_code_cell(show, id="progress"),
    ]
    return addressed(new_notebook(cells=cells, metadata=KERNEL), repository(root), "notebooks/progress.ipynb")


def seal(notebook: NotebookNode) -> str:
    """A digest of the cells: a released notebook carries it, so a hand edit shows."""
    cells = json.dumps(notebook.cells, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(cells.encode()).hexdigest()


def is_edited(path: Path) -> bool:
    """Whether a notebook in notebooks/ is not as a release left it."""
    try:
        notebook = nb.read(path)
    except (ValueError, OSError):
        return True
    return notebook.metadata.get("course", {}).get("release") != seal(notebook)


def strip(assignment: str, into: Path, root: Path = ROOT) -> None:
    """Run nbgrader's own release, without a gradebook.

    Args:
        assignment: a week, such as ``"week01"``, or a pattern, such as ``"week*"``: one call strips them all.
        into: the folder that receives ``weekNN/stem.ipynb``.
        root: the course.

    Raises:
        ReleaseRefused: nbgrader reported an error.
    """
    config = gradebook.config(Desk(root / GRADING, root))
    config.CourseDirectory.release_directory = str(into)
    config.CourseDirectory.assignment_id = assignment
    config.GenerateAssignment.no_database = True
    config.SaveCells.enabled = False
    config.BaseConverter.force = True
    gradebook.convert(GenerateAssignment, config, ReleaseRefused)


def release(entries: tuple[Notebook, ...], root: Path = ROOT, *, overwrite_edits: bool = False) -> Release:
    """Strip the weeks of the given notebooks into notebooks/, or change nothing at all.

    Args:
        entries: notebooks, each of which stands for its week; those that are not written are left out.
        root: the course.
        overwrite_edits: replace a file in notebooks/ even where somebody edited it by hand.

    Returns:
        Which files were written and which were the same already.

    Raises:
        ReleaseRefused: an answer would leak, or a file in notebooks/ was edited by hand.
    """
    weeks = sorted({entry.assignment for entry in entries if entry.source(root).exists()})
    sources = [path for week in weeks for path in sorted((root / "solutions" / week).glob("*.ipynb"))]
    _refuse_if([f"{path.stem}: {p}" for path in sources for p in check.marker_problems(nb.read(path))])
    if not overwrite_edits:
        _refuse_if(_edited(weeks, root))
    (root / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root / "build", prefix="release-") as folder:
        for pattern in ["week*"] if set(weeks) == _source_weeks(root) else weeks:
            strip(pattern, Path(folder), root)
        _refuse_if([f"{path.stem}: {leak}" for path in sources for leak in _leaks(path, Path(folder))])
        return _move(Path(folder), weeks, root)


def _leaks(source: Path, folder: Path) -> list[str]:
    return check.leaks(nb.read(source), nb.read(folder / source.parent.name / source.name))


def _edited(weeks: list[str], root: Path) -> list[str]:
    notebooks = root / "notebooks"
    paths = [path for week in weeks for path in sorted((notebooks / week).glob("*.ipynb"))]
    paths += notebooks.glob("progress.ipynb")
    return [
        f"{path.relative_to(root)} was edited by hand. Put the change into solutions/, or give --overwrite-edits."
        for path in paths
        if is_edited(path)
    ]


def _refuse_if(problems: list[str]) -> None:
    if problems:
        raise ReleaseRefused("\n".join(problems))


def _move(folder: Path, weeks: list[str], root: Path) -> Release:
    """Bring each stripped file to its place in one step, and remove what a week no longer has."""
    nbformat.write(progress_notebook(root), folder / "progress.ipynb")
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    written, unchanged = [], []
    for name in names:
        target = root / "notebooks" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        same = target.exists() and target.read_bytes() == (folder / name).read_bytes()
        (unchanged if same else written).append(target)
        if not same:
            os.replace(folder / name, target)
    for path in [path for week in weeks for path in (root / "notebooks" / week).rglob("*") if path.is_file()]:
        if path.relative_to(root / "notebooks") not in names:
            path.unlink()
    for week in {path.name for path in (root / "notebooks").glob("week*")} - _source_weeks(root):
        shutil.rmtree(root / "notebooks" / week)
    return Release(tuple(written), tuple(unchanged))


def _source_weeks(root: Path) -> set[str]:
    return {path.parent.name for path in (root / "solutions").glob("week*/*.ipynb")}
