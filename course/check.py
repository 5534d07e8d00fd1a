"""The rules about notebooks: anatomy, markers, exercises, answers, leaks. Tests call them and add none of their own."""

from __future__ import annotations

import ast
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course import ROOT, answers
from course import notebook as nb
from course.syllabus import Notebook

SETUP_CELL = (ROOT / "course" / "setup_cell.txt").read_text(encoding="utf-8")
MARKERS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
SHORT_COMMENT = re.compile(r"^\s*#+\s*(\S+(?: \S+){1,2})\s*$", re.M)  # two or three words: how a mistyped marker looks
FIGURE = re.compile(r"^[^#\n]*\balt\s*=\s*(?!None|\"\"(?!\")|''(?!'))", re.M)
SECTIONS = ("what you will learn", "glossary", "where we differ", "recap")
LEAST = {"cells": 45, "words": 1800, "exercises": 5, "figures": 4, "experiments": 2, "checkpoints": 1, "hints": 4}
DISTINCTIVE = 15  # characters: shorter lines, such as `return x`, occur everywhere


def problems(entry: Notebook, root: Path = ROOT) -> list[str]:
    """Everything that is wrong with a notebook, its answers and its release; empty when it is ready."""
    found = source_problems(entry, root)
    found += answers_problems(entry, root)
    released = entry.released(root)
    if released.exists():
        found += leaks(nb.read(entry.source(root)), nb.read(released))
    else:
        found.append(f"not released: no {released.relative_to(root)}")
    return found


def source_problems(entry: Notebook, root: Path = ROOT) -> list[str]:
    """What is wrong with a solution notebook itself."""
    path = entry.source(root)
    try:
        source = nb.read(path)
    except (ValueError, nbformat.ValidationError) as error:
        return [f"cannot be read as a notebook: {error}"]
    found = list(marker_problems(source))
    for rule in (_file, _anatomy, _setup, _grading, _experiments, _least):
        found += rule(source, path)
    return found


def marker_problems(source: NotebookNode) -> Iterator[str]:
    """Markers that would make nbgrader hand out an answer, or refuse the release."""
    for cell in source.cells:
        name = nb.grade_id(cell) or cell.get("id", "?")
        parts = nb.regions(cell.source)
        if cell.cell_type == "code" or nb.grade_id(cell):
            yield from (f"{name}: a marker looks misspelt: '{text}'" for text in _misspelt(cell.source))
        if not parts.paired:
            yield f"{name}: a BEGIN or END marker has no partner"
        if "SOLUTION" in parts.kinds and not nb.is_solution(cell):
            yield f"{name}: a solution region outside a solution cell"
        if "HIDDEN TESTS" in parts.kinds and not nb.is_graded(cell):
            yield f"{name}: hidden tests outside a graded cell"


def leaks(source: NotebookNode, released: NotebookNode) -> list[str]:
    """Lines of solutions and hidden tests, outputs and markers that reached the student's notebook."""
    found = leaked(source, (line for cell in released.cells for line in cell.source.splitlines()))
    if any(cell.get("outputs") or cell.get("attachments") for cell in released.cells):
        found.append("the release has outputs or attachments")
    if any(cell.cell_type == "code" and nb.MARKER.search(cell.source) for cell in released.cells):
        found.append("the release still has a marker")
    return found


def leaked(source: NotebookNode, lines: Iterable[str]) -> list[str]:
    """Which of some lines that students get stand only in a solution or in hidden tests."""
    public, secret = Counter(), set()
    for cell in source.cells:
        parts = nb.regions(cell.source)
        whole = nb.is_solution(cell) and "SOLUTION" not in parts.kinds  # nbgrader then replaces the whole cell
        if not whole:
            public.update(line.strip() for line in parts.visible)
        secret.update(line.strip() for line in (*parts.solution, *parts.hidden, *(parts.visible if whole else ())))
    given = Counter(line.strip() for line in lines)
    return [
        f"leaked into the release: {line[:80]!r}"
        for line in sorted(secret)
        if len(line) > DISTINCTIVE and given[line] > public[line]
    ]


def answers_problems(entry: Notebook, root: Path = ROOT) -> list[str]:
    """What tests/answers lacks: three wrong answers and a right one for each exercise, none twice."""
    path = entry.answers(root)
    if not path.exists():
        return [f"no {path.relative_to(root)}"]
    try:
        given = answers.parse(path.read_text(encoding="utf-8"))
    except answers.MalformedAnswers as error:
        return [str(error)]
    found = [f"{a.exercise}: '{a.about}' is empty" for a in given if not a.code]
    twice = Counter((a.exercise, a.code) for a in given)
    found += [f"{name}: the same answer is given twice" for (name, _), count in twice.items() if count > 1]
    names = [nb.grade_id(cell) for cell, _ in nb.exercises(nb.read(entry.source(root)))]
    found += [f"answers for '{name}', which is no exercise" for name in {a.exercise for a in given} - set(names)]
    for name in names:
        wrong, right = (sum(a.exercise == name and a.kind == kind for a in given) for kind in ("wrong", "right"))
        if wrong < 3 or right < 1:
            found.append(f"{name}: {wrong} wrong and {right} right answers (3 and 1 at least)")
    return found


def _misspelt(text: str) -> list[str]:
    near = (comment for comment in SHORT_COMMENT.findall(text) if not nb.MARKER.search(comment))
    return [comment for comment in near if difflib.get_close_matches(comment.upper(), MARKERS, n=1, cutoff=0.8)]


def _file(source: NotebookNode, path: Path) -> Iterator[str]:
    if nbformat.writes(source) + "\n" != path.read_text(encoding="utf-8"):
        yield "not in canonical form: run `nbstripout --keep-id` on it"
    if (source.nbformat, source.nbformat_minor) < (4, 5):
        yield "nbformat below 4.5: cells have no ids"
    ids = [cell.get("id") for cell in source.cells]
    if len(set(ids)) != len(ids):
        yield "cell ids are missing or not unique"
    if any(cell.get("outputs") or cell.get("execution_count") for cell in source.cells):
        yield "an output or execution count is committed"


def _anatomy(source: NotebookNode, path: Path) -> Iterator[str]:
    week = int(path.stem[4:6])
    first = source.cells[0].source.splitlines()[0] if source.cells else ""
    if not first.startswith(f"# Week {week} · "):
        yield f"the first line should be '# Week {week} · …', not {first!r}"
    prose = "\n".join(cell.source for cell in source.cells if cell.cell_type == "markdown").lower()
    yield from (f"no section '{section}'" for section in SECTIONS if section not in prose)
    for header in re.findall(r"^\|(.*)\|\n\|-", prose, re.M):
        if not all(map(str.strip, header.split("|"))):
            yield f"the table with the header |{header}| has a column without a name, which a screen reader needs"
    if not any(nb.is_written_answer(cell) for cell in source.cells):
        yield "no reflection: a written answer that a person grades"


def _setup(source: NotebookNode, path: Path) -> Iterator[str]:
    tagged = {tag: [c.source for c in source.cells if tag in nb.tags(c)] for tag in (nb.PARAMETERS, nb.SETUP)}
    for tag, cells in tagged.items():
        if len(cells) != 1:
            yield f"{len(cells)} cells are tagged '{tag}'; there must be one"
    if [re.findall(r"^(\w+) *=", text, re.M) for text in tagged[nb.PARAMETERS]] != [["PROFILE", "SEED"]]:
        yield "the parameters cell should set PROFILE and SEED, nothing else"
    if not all(text.startswith(SETUP_CELL) for text in tagged[nb.SETUP]):
        yield "the setup cell does not begin with course/setup_cell.txt"


def _grading(source: NotebookNode, path: Path) -> Iterator[str]:
    ids = [name for cell in source.cells if (name := nb.grade_id(cell))]
    if len(set(ids)) != len(ids):
        yield "grade ids are not unique"
    for exercise, test in nb.exercises(source):
        if "SOLUTION" not in nb.regions(exercise.source).kinds:
            yield f"{nb.grade_id(exercise)}: an exercise without a solution region"
        if test is None:
            yield f"{nb.grade_id(exercise)}: no test cell before the next exercise"
    known = {nb.grade_id(exercise) for exercise, _ in nb.exercises(source)}
    for name, needed in nb.needs(source).items():
        yield from (f"{name}: its heading needs '{need}', which is no exercise" for need in sorted(needed - known))
    for cell in source.cells:
        name = nb.grade_id(cell)
        if nb.is_graded(cell) and not cell.metadata.nbgrader.get("points"):
            yield f"{name}: a graded cell worth nothing"
        if nb.is_test(cell) and not cell.metadata.nbgrader.get("locked"):
            yield f"{name}: a test cell that is not locked"
        if nb.is_test(cell):
            yield from (f"{name}: {problem}" for problem in _test(nb.regions(cell.source)))


def _test(parts: nb.Regions) -> Iterator[str]:
    if "HIDDEN TESTS" not in parts.kinds:
        yield "no hidden tests"
    for which, lines in (("visible", parts.visible), ("hidden", parts.hidden)):
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as error:
            yield f"the {which} part is not Python by itself, and is run by itself: {error}"


def _experiments(source: NotebookNode, path: Path) -> Iterator[str]:
    for cell in source.cells:
        name, experiment = nb.grade_id(cell) or cell.get("id", "?"), nb.EXPERIMENT in nb.tags(cell)
        if experiment and (nb.is_graded(cell) or nb.is_solution(cell)):
            yield f"{name}: tagged 'experiment', so it is never run while grading"
        if ".checkpoint(" in cell.source and cell.cell_type == "code" and not experiment:
            yield f"{name}: a checkpoint outside an experiment would run while grading"


def measure(source: NotebookNode) -> dict[str, int]:
    """How large a notebook is, in the terms of its budget."""
    prose = [cell.source for cell in source.cells if cell.cell_type == "markdown"]
    code = [cell.source for cell in source.cells if cell.cell_type == "code"]
    return {
        "cells": len(source.cells),
        "words": sum(len(re.findall(r"\w+", text)) for text in prose),
        "exercises": sum(nb.is_exercise(cell) for cell in source.cells),
        "figures": sum(len(FIGURE.findall(text)) for text in code),
        "experiments": sum(nb.EXPERIMENT in nb.tags(cell) for cell in source.cells),
        "checkpoints": sum(text.count(".checkpoint(") for text in code),
        "hints": sum(text.count("<details") for text in prose),
    }


def _least(source: NotebookNode, path: Path) -> Iterator[str]:
    size = measure(source)
    yield from (f"{key}: {size[key]}, and {least} would be little" for key, least in LEAST.items() if size[key] < least)
