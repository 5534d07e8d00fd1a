"""Eight submissions for week 1, made from the release, the solutions and tests/answers.

`python -m tests.sample_class` (part of `make notebooks`) makes them again after a change to the notebook.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course import answers, syllabus
from course import notebook as nb

HERE = Path(__file__).resolve().parent
ENTRY = syllabus.load().notebooks[0]
WRITTEN = "Vectorised code makes a few calls a batch and not a few an image; I would use workers for slow, independent items."


def make(folder: Path = HERE) -> list[Path]:
    """Write the eight submissions as ``folder/STUDENT/week01/…``; return their files."""
    made = []
    for student, (name, content) in submissions().items():
        week = folder / student / ENTRY.assignment
        shutil.rmtree(week, ignore_errors=True)
        week.mkdir(parents=True)
        (week / name).write_text(content, encoding="utf-8")
        made.append(week / name)
    return made


def submissions() -> dict[str, tuple[str, str]]:
    """For each student the name of the file and its text."""
    released, right, name = nb.read(ENTRY.released()), answered(), f"{ENTRY.stem}.ipynb"
    exercises = [nb.grade_id(exercise) for exercise, _ in nb.exercises(released)]
    tests = [nb.grade_id(test) for _, test in nb.exercises(released)]
    wrong = {exercises[1]: first_wrong(exercises[1]), exercises[4]: first_wrong(exercises[4]), exercises[-1]: None}
    loop = {exercises[0]: endless(right, exercises[0])}
    return {
        "right": (name, text(right)),
        "partly_right": (name, text(answered(wrong))),
        "empty": (name, text(released)),
        "wrong_file_name": ("My pipeline (1).ipynb", text(right)),
        "deleted_test": (name, text(without(right, lambda cell: nb.grade_id(cell) == tests[2]))),
        "lost_metadata": (name, text(stripped(right))),
        "endless_loop": (name, text(answered(loop))),
        "invalid_json": (name, text(right)[: len(text(right)) // 2]),
    }


def answered(instead: dict[str, str | None] | None = None) -> NotebookNode:
    """The released notebook with every exercise answered.

    Args:
        instead: other code for some exercises; None leaves an exercise open.
    """
    codes = {name: code for name, code in (answers.solutions(ENTRY) | (instead or {})).items() if code is not None}
    notebook = answers.filled(ENTRY, codes)
    for cell in filter(nb.is_written_answer, notebook.cells):
        cell.source = WRITTEN
    return notebook


def first_wrong(exercise: str) -> str:
    """The first wrong answer that tests/answers has for an exercise."""
    given = answers.parse(ENTRY.answers().read_text(encoding="utf-8"))
    return next(a.code for a in given if a.exercise == exercise and a.kind == "wrong")


def endless(notebook: NotebookNode, exercise: str) -> str:
    """A right answer with a loop that never ends at the head of its body."""
    code = next(cell.source for cell in notebook.cells if nb.grade_id(cell) == exercise)
    end = code.index('"""', code.index('"""') + 3) + 3
    return f"{code[:end]}\n    while True:\n        pass{code[end:]}"


def without(notebook: NotebookNode, is_gone: Callable[[NotebookNode], bool]) -> NotebookNode:
    smaller = copy.deepcopy(notebook)
    smaller.cells = [cell for cell in smaller.cells if not is_gone(cell)]
    return smaller


def stripped(notebook: NotebookNode) -> dict:
    """As some editors save: format 4.0, without ids, tags and nbgrader's metadata."""
    plain = json.loads(text(notebook)) | {"nbformat_minor": 0, "metadata": {}}
    for cell in plain["cells"]:
        del cell["id"]
        cell["metadata"] = {}
    return plain


def text(notebook: NotebookNode | dict) -> str:
    if isinstance(notebook, NotebookNode):
        return nbformat.writes(notebook) + "\n"
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


