"""Makes a submission gradable: the right file, the release's structure and metadata, the student's answers."""

from __future__ import annotations

import copy
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode, validator
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from course import notebook as nb
from course.forgery import Flag
from course.sandbox import MB

KINDS = ("code", "markdown", "raw")
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


LARGEST = 100 * MB  # bytes of one notebook file
LONGEST = 1_000_000  # characters of one cell
OUTPUT = 4 * MB  # bytes of a cell's outputs


class Unreadable(Exception):
    """A submitted file is not a notebook."""


@dataclass
class Repaired:
    """A gradable notebook, what had to be done for it, and what a person should look at."""

    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
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
        submitted, left_out = read(path)
    except Unreadable as error:
        return Repaired(copy.deepcopy(release), notes, fault=f"{path.name} {error}")
    repaired = repair(release, submitted)
    repaired.notes[:0] = notes + left_out
    return repaired


def find(folder: Path, stem: str) -> tuple[Path | None, list[str]]:
    """The student's notebook: under its own name, or the one file that can be meant."""
    files = plain_files(folder)
    if (exact := folder / f"{stem}.ipynb") in files:
        return exact, []
    notebooks = [path for path in files if path.suffix == ".ipynb" and ".ipynb_checkpoints" not in path.parts]
    similar = [path for path in notebooks if stem in path.name] or notebooks
    if len(similar) == 1:
        return similar[0], [f"the file is named {similar[0].name}"]
    names = ", ".join(path.name for path in similar) or "the folder holds no .ipynb file"
    return None, [f"{names}; expected {stem}.ipynb"]


def plain_files(folder: Path) -> list[Path]:
    """The files of a submission. A link is none: it may lead to a file of the instructor's."""
    if folder.is_symlink():
        return []
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def links(folder: Path) -> list[Path]:
    """The symbolic links in a submission; they are not followed."""
    return [path for path in (folder, *sorted(folder.rglob("*"))) if path.is_symlink()]


def read(path: Path) -> tuple[NotebookNode, list[str]]:
    """Read a submitted notebook; of its cells only what grading uses, in the types that it expects.

    Returns:
        The notebook, and what of it could not be used.

    Raises:
        Unreadable: with the reason, as the rest of a sentence that begins with the file's name.
    """
    if (size := path.stat().st_size) > LARGEST:
        raise Unreadable(f"has {size // MB} MB; the most is {LARGEST // MB} MB")
    text, notes = _decode(path.read_bytes())
    try:
        cells = [_read_cell(cell) for cell in _raw_cells(_parse(text))]
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not valid JSON: {error}") from None
    for number, cell in enumerate(cells, start=1):
        if len(cell.source) > LONGEST:
            notes.append(f"cell {number}: {len(cell.source):,} characters, left out; the most is {LONGEST:,}")
            cell.source = ""
    return nbformat.from_dict({"cells": cells}), notes


def _raw_cells(content: object) -> list[dict]:
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or not all(isinstance(c, dict) and c.get("cell_type") in KINDS for c in cells):
        raise Unreadable("is JSON, but not a notebook of format 4")
    return cells


def _decode(data: bytes) -> tuple[str, list[str]]:
    """Text in the encoding that JSON's first bytes tell; what is no text becomes a replacement character."""
    encoding, notes = json.detect_encoding(data), []
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        notes = [
            f"byte {error.start} is not {encoding.upper()} text; such bytes are shown as \N{REPLACEMENT CHARACTER}"
        ]
    return data.decode(encoding, errors="replace"), notes


def _parse(text: str) -> object:
    content = json.loads(text)
    if SURROGATE.search(text):  # perhaps half a character, which no file can hold
        content = json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", errors="replace"))
    return content


def _read_cell(cell: dict) -> NotebookNode:
    source, metadata, outputs = (cell.get(key) for key in ("source", "metadata", "outputs"))
    lines = source if isinstance(source, list) else [source]
    name, pictures = cell.get("id"), cell.get("attachments")
    known = {
        "cell_type": cell["cell_type"],
        "id": name if isinstance(name, str) else None,
        "source": "".join(line for line in lines if isinstance(line, str)),
        "metadata": metadata if isinstance(metadata, dict) else {},
        "outputs": [output for output in outputs if _is_valid(output, "output")] if isinstance(outputs, list) else [],
        "attachments": pictures if _is_valid(pictures, "misc/attachments") else {},
    }
    return nbformat.from_dict(known)


def _is_valid(part: object, definition: str) -> bool:
    return isinstance(part, dict) and validator.isvalid(part, ref=definition, version=4, version_minor=5)


def repair(release: NotebookNode, submitted: NotebookNode) -> Repaired:
    """Put a student's answers into the release: its order, ids, tags, metadata and tests.

    Cells that the student added stay where they are, without tags or nbgrader metadata.
    """
    owners = match(release, submitted)
    mine, extra, last = defaultdict(list), defaultdict(list), -1
    for cell, owner in zip(submitted.cells, owners, strict=True):
        (extra[last] if owner is None else mine[owner]).append(cell)
        last = last if owner is None else owner
    result, mended, flags = copy.deepcopy(release), defaultdict(list), []
    cells = [_added(cell, f"added-{i}") for i, cell in enumerate(extra[-1])]
    for index, cell in enumerate(result.cells):
        if mend := _fill(cell, mine[index]):
            mended[mend].append(nb.grade_id(cell))
        flags += [flag for candidate in mine[index] for flag in _changed_grading(cell, candidate)]
        cells += [cell, *(_added(c, f"added-{index}-{i}") for i, c in enumerate(extra[index]))]
    result.cells = cells
    notes = [f"{', '.join(names)}: {mend}" for mend, names in mended.items()]
    if any(_grade_id(cell) is None for index in mine for cell in mine[index] if nb.grade_id(release.cells[index])):
        notes.insert(0, "nbgrader's metadata was lost and has been restored")
    return Repaired(result, notes, flags)


def _changed_grading(cell: NotebookNode, sent: NotebookNode) -> Iterator[Flag]:
    """Metadata of a graded cell that no editor changes by itself; the release's is used."""
    if not nb.is_graded(cell):
        return
    tags = sent.metadata.get("tags")
    if isinstance(tags, list) and (more := [tag for tag in tags if str(tag) not in nb.tags(cell)]):
        yield Flag(nb.grade_id(cell), "a tag on a graded cell; it is not used", ", ".join(map(str, more)))
    kept = _grading(sent)
    for key in ("points", "grade", "solution", "locked"):
        released = cell.metadata.nbgrader.get(key)
        if key in kept and kept[key] != released:
            yield Flag(
                nb.grade_id(cell), "changed grading metadata; it is not used", f"{key}: {kept[key]}, not {released}"
            )


def match(release: NotebookNode, submitted: NotebookNode) -> list[int | None]:
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


def _grading(cell: NotebookNode) -> dict:
    grading = cell.metadata.get("nbgrader")
    return grading if isinstance(grading, dict) else {}


def _grade_id(cell: NotebookNode) -> str | None:
    name = _grading(cell).get("grade_id")
    return name if isinstance(name, str) else None


def _cell_id(cell: NotebookNode) -> str | None:
    return cell.id


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
    """Take over what a student saw below a cell, or pasted into it."""
    if cell.cell_type == "markdown" and sent.attachments:
        cell.attachments = sent.attachments
    if cell.cell_type == "code" and sent.cell_type == "code":
        cell.outputs = sent.outputs
        if (size := len(json.dumps(sent.outputs))) > OUTPUT:
            note = f"{size // MB} MB of output, left out; the most is {OUTPUT // MB} MB\n"
            cell.outputs = [new_output("stream", name="stdout", text=note)]


def _added(cell: NotebookNode, name: str) -> NotebookNode:
    fresh = new_code_cell if cell.cell_type == "code" else new_markdown_cell
    added = fresh(cell.source, id=name)
    _take_outputs(added, cell)
    return added
