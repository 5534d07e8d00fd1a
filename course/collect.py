"""Makes a submission gradable: the right file, the release's structure and metadata, the student's answers."""

from __future__ import annotations

import copy
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course import notebook as nb


class Unreadable(Exception):
    """A submitted file is not a notebook."""


@dataclass
class Repaired:
    """A gradable notebook, and what had to be done for it."""

    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)
    fault: str = ""  # why nothing of the student's could be used


def collect(folder: Path, stem: str, release: NotebookNode) -> Repaired:
    """Find a student's notebook and bring it into the release's form. The submitted files are only read.

    Args:
        folder: what the student sent for one week.
        stem: the notebook's name without ending.
        release: the notebook as the student received it.

    Returns:
        The repaired notebook; where nothing can be used, the unanswered release and the fault.
    """
    path, notes = find(folder, stem)
    if path is None:
        return Repaired(copy.deepcopy(release), fault=f"no notebook: {', '.join(notes)}")
    try:
        submitted = read(path)
    except Unreadable as error:
        return Repaired(copy.deepcopy(release), notes, fault=f"{path.name} {error}")
    repaired = repair(release, submitted)
    repaired.notes[:0] = notes
    return repaired


def find(folder: Path, stem: str) -> tuple[Path | None, list[str]]:
    """The student's notebook: under its own name, or the one file that can be meant."""
    exact = folder / f"{stem}.ipynb"
    if exact.is_file():
        return exact, []
    notebooks = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    similar = [path for path in notebooks if stem in path.name] or notebooks
    if len(similar) == 1:
        return similar[0], [f"the file is named {similar[0].name}"]
    names = ", ".join(path.name for path in similar) or "the folder holds no .ipynb file"
    return None, [f"{names}; expected {stem}.ipynb"]


def read(path: Path) -> NotebookNode:
    """Read a submitted notebook.

    Raises:
        Unreadable: with the reason, as the rest of a sentence that begins with the file's name.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 text (byte {error.start})") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise Unreadable(f"is not valid JSON: {error}") from None
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or not all(
        isinstance(c, dict) and "source" in c and "cell_type" in c for c in cells
    ):
        raise Unreadable("is JSON, but not a notebook of format 4")
    for cell in cells:
        cell["metadata"] = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
        cell["source"] = "".join(cell["source"])
    return nbformat.from_dict(content)


def repair(release: NotebookNode, submitted: NotebookNode) -> Repaired:
    """Put a student's answers into the release: its order, ids, tags, metadata and tests.

    Cells that the student added stay where they are, without tags or nbgrader metadata.
    """
    owners = _match(release, submitted)
    mine, extra, last = defaultdict(list), defaultdict(list), -1
    for cell, owner in zip(submitted.cells, owners, strict=True):
        (extra[last] if owner is None else mine[owner]).append(cell)
        last = last if owner is None else owner
    result, mended = copy.deepcopy(release), defaultdict(list)
    cells = [_added(cell, f"added-{i}") for i, cell in enumerate(extra[-1])]
    for index, cell in enumerate(result.cells):
        if mend := _fill(cell, mine[index]):
            mended[mend].append(nb.grade_id(cell))
        cells += [cell, *(_added(c, f"added-{index}-{i}") for i, c in enumerate(extra[index]))]
    result.cells = cells
    notes = [f"{', '.join(names)}: {mend}" for mend, names in mended.items()]
    if any(_grade_id(cell) is None for index in mine for cell in mine[index] if nb.grade_id(release.cells[index])):
        notes.insert(0, "nbgrader's metadata was lost and has been restored")
    return Repaired(result, notes)


def _match(release: NotebookNode, submitted: NotebookNode) -> list[int | None]:
    """For each submitted cell the index of the released cell that it was, None for one that the student added."""
    owners: list[int | None] = [None] * len(submitted.cells)
    for key in (_grade_id, _cell_id, _text, _defined):  # the surest first; the next is for cells still without a match
        free = {key(cell): i for i, cell in reversed(list(enumerate(release.cells))) if i not in owners}
        free.pop(None, None)
        owners = [
            free.get(key(cell)) if owner is None else owner for owner, cell in zip(owners, submitted.cells, strict=True)
        ]
    for i, owner in enumerate(owners[1:], start=1):  # last, the place: right after the cell that it should follow
        follows = owners[i - 1]
        if owner is None and follows is not None and follows + 1 < len(release.cells) and follows + 1 not in owners:
            same_type = release.cells[follows + 1].cell_type == submitted.cells[i].cell_type
            owners[i] = follows + 1 if same_type and nb.is_solution(release.cells[follows + 1]) else None
    return owners


def _grade_id(cell: NotebookNode) -> str | None:
    grading = cell.metadata.get("nbgrader")
    return grading.get("grade_id") if isinstance(grading, dict) else None


def _cell_id(cell: NotebookNode) -> str | None:
    return cell.get("id")


def _text(cell: NotebookNode) -> str | None:
    return cell.source.strip() or None


def _defined(cell: NotebookNode) -> str | None:
    found = re.search(r"^(?:def|class) (\w+)", cell.source, re.M) if cell.cell_type == "code" else None
    return found and found[1]


def _fill(cell: NotebookNode, candidates: list[NotebookNode]) -> str:
    """Put the student's text into a released cell where it is theirs to write; say what had to be mended."""
    edited = [c for c in candidates if c.source.strip() != cell.source.strip()]
    if nb.is_test(cell):
        if not candidates:
            return "deleted, put back"
        _take_outputs(cell, candidates[-1])
        return "not as released, the released test is used" if edited else ""
    if not candidates:
        return "deleted, counts as not answered" if nb.is_solution(cell) else ""
    chosen = (edited or candidates)[-1]
    if nb.PARAMETERS in nb.tags(cell) or (nb.SETUP in nb.tags(cell) and not chosen.source.startswith(cell.source)):
        return ""
    cell.source = chosen.source
    _take_outputs(cell, chosen)
    return f"there {len(edited)} times, the last is used" if nb.grade_id(cell) and len(edited) > 1 else ""


def _take_outputs(cell: NotebookNode, sent: NotebookNode) -> None:
    if cell.cell_type == "code" and sent.cell_type == "code":
        cell.outputs = [output for output in sent.get("outputs", []) if isinstance(output, dict)]


def _added(cell: NotebookNode, name: str) -> NotebookNode:
    fresh = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    added = fresh(cell.source, id=name)
    _take_outputs(added, cell)
    return added
