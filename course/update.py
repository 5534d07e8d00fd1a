"""What a newer release changes, brought into a student's copy: only into cells that the student left as they were.

A copy is compared with the release from which it was made (`course.work.base_of`) and with the new one. The copy as it
was stays in ``before-updates/`` beside it.
"""

from __future__ import annotations

import copy
import datetime
import re
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.corpus.words import generate_corpus_id as random_cell_id

from course import ROOT, CourseError, files, work
from course import collect as collecting
from course import notebook as nb
from course.syllabus import Notebook

BEFORE = "before-updates"


class CannotUpdate(CourseError):
    """A copy cannot be brought up to date; it was left as it is."""


@dataclass
class Update:
    """What an update did, cells by a name that a student recognises.

    Attributes:
        notebook: the copy, merged.
        changed, added, removed: cells of the course that the copy now has as released.
        kept: cells that both the student and the course changed; they are the student's.
        before: the copy as it was, None where nothing was written.
    """

    notebook: NotebookNode
    changed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    before: Path | None = None


def is_newer(entry: Notebook, root: Path = ROOT) -> bool:
    """Whether the release is another than the one that a student's copy took over last."""
    base, released = work.base_of(entry, root), entry.released(root)
    return base.exists() and released.exists() and base.read_bytes() != released.read_bytes()


def update(entry: Notebook, root: Path = ROOT) -> Update:
    """Bring a student's copy up to date with the release. Whatever interrupts it, no answer is lost.

    Raises:
        CannotUpdate: the copy cannot be read.
    """
    path, base, released = work.copy_of(entry, root), work.base_of(entry, root), entry.released(root)
    try:
        mine = nb.read(path)
    except (ValueError, AttributeError) as error:
        raise CannotUpdate(f"{path} cannot be read and was left as it is: {error}") from None
    done = merge(nb.read(base), mine, nb.read(released))
    text = nbformat.writes(done.notebook) + "\n"
    if text != path.read_text(encoding="utf-8"):
        now = f"{datetime.datetime.now():%Y-%m-%d-%H%M%S-%f}"
        done.before = path.parent / BEFORE / f"{entry.stem}-{now}.ipynb"
        done.before.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, done.before)
        files.write_text(path, text)
    files.write_text(base, released.read_text(encoding="utf-8"))
    return done


def merge(base: NotebookNode, mine: NotebookNode, new: NotebookNode) -> Update:
    """Three notebooks into one: the course's order and text, the student's answers and cells."""
    old, released = ({cell.id: cell for cell in book.cells} for book in (base, new))
    owners = [None if owner is None else base.cells[owner].id for owner in collecting.match(base, mine)]
    for i, cell in enumerate(mine.cells):  # an update that was interrupted has added cells that the base lacks
        owners[i] = cell.id if owners[i] is None and cell.id in released.keys() - old.keys() else owners[i]
    own, after, last = defaultdict(list), defaultdict(list), None
    done = Update(copy.deepcopy(mine))
    for cell, owner in zip(mine.cells, owners, strict=True):
        if owner in released:
            own[owner].append(cell)
            last = owner
        elif owner is None or _differs(cell, old[owner]):
            after[last].append(cell)
            done.kept += [name_of(cell)] if owner else []
        else:
            done.removed.append(name_of(cell))
    cells = after[None]
    for cell in new.cells:
        cells = [*cells, *_merged(old.get(cell.id), own[cell.id], cell, done), *after[cell.id]]
    done.notebook.cells = cells
    done.notebook.nbformat, done.notebook.nbformat_minor = new.nbformat, max(new.nbformat_minor, mine.nbformat_minor)
    return done


def _merged(old: NotebookNode | None, own: list[NotebookNode], new: NotebookNode, done: Update) -> list[NotebookNode]:
    """What becomes of one cell of the release: ``old`` and ``new`` as released, ``own`` as the student has it."""
    if old is None and not own:
        done.added.append(name_of(new))
        return [copy.deepcopy(new)]
    if not own:  # deleted by the student; what is graded comes back, since grading would put it back anyway
        return [copy.deepcopy(new)] if nb.grade_id(new) else []
    *others, cell = own
    for other in others:
        other["id"] = random_cell_id() if other.id == new.id else other.id
    cell.metadata, cell["id"] = copy.deepcopy(new.metadata), new.id
    if not _differs(cell, new) or (old and not _differs(old, new)):
        return own
    if old is None or _differs(cell, old):
        done.kept.append(name_of(cell))
        return own
    done.changed.append(name_of(new))
    return [*others, copy.deepcopy(new)]


def _differs(one: NotebookNode, other: NotebookNode) -> bool:
    return (one.cell_type, one.source.strip()) != (other.cell_type, other.source.strip())


def name_of(cell: NotebookNode) -> str:
    """How a student knows a cell: its nbgrader id, its heading, or its first line."""
    heading = re.search(r"^#+ *(.+)", cell.source, re.M) if cell.cell_type == "markdown" else None
    first = next((line for line in cell.source.splitlines() if line.strip()), "an empty cell")
    return nb.grade_id(cell) or (heading[1] if heading else first)[:60]
