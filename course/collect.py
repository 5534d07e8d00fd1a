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
    owners, lost_metadata = _match(release, submitted)
    mine, extra, last = defaultdict(list), defaultdict(list), -1
    for cell, owner in zip(submitted.cells, owners, strict=True):
        if owner is None:
            extra[last].append(cell)
        else:
            mine[owner].append(cell)
            last = owner
    result = copy.deepcopy(release)
    notes = ["nbgrader's metadata was lost and has been restored"] if lost_metadata else []
    cells = [_added(cell, f"added-{-1}-{i}") for i, cell in enumerate(extra[-1])]
    for index, cell in enumerate(result.cells):
        notes += _fill(cell, mine[index])
        cells += [cell, *(_added(c, f"added-{index}-{i}") for i, c in enumerate(extra[index]))]
    result.cells = cells
    return Repaired(result, notes)


def _match(release: NotebookNode, submitted: NotebookNode) -> tuple[list[int | None], bool]:
    """For each submitted cell the index of the released cell that it was, and whether nbgrader's metadata was lost."""
    owners: list[int | None] = [None] * len(submitted.cells)
    for key in (_grade_id, _cell_id, _text, _defined):  # the surest first; the next is for cells still without a match
        free = {key(cell): i for i, cell in reversed(list(enumerate(release.cells))) if i not in owners}
        free.pop(None, None)
        owners = [
            free.get(key(cell)) if owner is None else owner for owner, cell in zip(owners, submitted.cells, strict=True)
        ]
    lost = any(
        owner is not None and nb.grade_id(release.cells[owner]) and not _grade_id(cell)
        for owner, cell in zip(owners, submitted.cells, strict=True)
    )
    return owners, lost


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


def _fill(cell: NotebookNode, candidates: list[NotebookNode]) -> list[str]:
    """Put the student's text into a released cell where it is theirs to write; say what had to be mended."""
    name = nb.grade_id(cell)
    if nb.is_test(cell):
        if not candidates:
            return [f"the test {name} was deleted and has been put back"]
        changed = any(c.source.strip() != cell.source.strip() for c in candidates)
        _take_outputs(cell, candidates[-1])
        return [f"the test {name} was changed; the released one is used"] if changed else []
    if not candidates:
        return [f"{name} was deleted and counts as not answered"] if nb.is_solution(cell) else []
    edited = [c for c in candidates if c.source.strip() != cell.source.strip()]
    chosen = (edited or candidates)[-1]
    notes = [f"{name} is there {len(edited)} times; the last one is used"] if name and len(edited) > 1 else []
    if nb.PARAMETERS in nb.tags(cell) or (nb.SETUP in nb.tags(cell) and not chosen.source.startswith(cell.source)):
        return notes
    cell.source = chosen.source
    _take_outputs(cell, chosen)
    return notes


def _take_outputs(cell: NotebookNode, sent: NotebookNode) -> None:
    if cell.cell_type == "code" and sent.cell_type == "code":
        cell.outputs = [output for output in sent.get("outputs", []) if isinstance(output, dict)]


def _added(cell: NotebookNode, name: str) -> NotebookNode:
    fresh = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    added = fresh(cell.source, id=name)
    _take_outputs(added, cell)
    return added
