"""Grades a class that is made of tests/answers, as a real one is graded: so what is proved is what runs.

:mod:`course.answers` tries each answer alone, in the company of the solutions. Here a submission has an answer to every
exercise, all right or all wrong, and goes through repair, sandbox, hidden tests and the look for forgery.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nbformat

from course import ROOT, answers, grade, parallel, submission
from course import notebook as nb
from course.answers import Answer
from course.desk import Desk
from course.feedback import UNNAMED
from course.submission import Conditions, Result
from course.syllabus import Notebook


@dataclass(frozen=True)
class Rehearsed:
    """What grading made of one answer.

    Attributes:
        answer: from tests/answers, or the solution.
        problem: what is not as it should be; empty when all is.
    """

    answer: Answer
    problem: str


def rehearse(entry: Notebook, conditions: Conditions, jobs: int = 1, root: Path = ROOT) -> list[Rehearsed]:
    """Grade a class of a notebook's solution and answers.

    Args:
        entry: the notebook.
        conditions: how submissions are run.
        jobs: how many at once.
        root: the course.
    """
    everybody = dict(members(entry, root))
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        desk = Desk(Path(folder), root)
        for student, chosen in everybody.items():
            codes = {exercise: answer.code for exercise, answer in chosen.items()}
            place = desk.submitted(student, entry.assignment)
            place.mkdir(parents=True)
            nbformat.write(answers.filled(entry, codes, root), place / f"{entry.stem}.ipynb")
        grade.prepare(desk, entry.assignment)
        examine = partial(submission.examine, desk, entry.assignment, conditions)
        with parallel.workers(jobs) as crew:
            results = dict(parallel.fan_out(crew, examine, list(everybody)))
    tests = {nb.grade_id(exercise): nb.grade_id(test) for exercise, test in nb.exercises(nb.read(entry.source(root)))}
    return [found for student in everybody for found in _look(everybody[student], results[student], tests)]


def members(entry: Notebook, root: Path = ROOT) -> Iterator[tuple[str, dict[str, Answer]]]:
    """Students, each with an answer to every exercise: the solution, all that are right, all that are wrong."""
    solved = answers.solutions(entry, root)
    solution = {name: Answer("right", name, "the solution", code) for name, code in solved.items()}
    yield "solution", solution
    given = defaultdict(list)
    for answer in answers.parse(entry.answers(root).read_text(encoding="utf-8")):
        given[answer.kind, answer.exercise].append(answer)
    for kind in ("right", "wrong"):
        of_kind = {name: given[kind, name] for name in solved if given[kind, name]}
        for number in range(max(map(len, of_kind.values()), default=0)):
            own = {name: found[number % len(found)] for name, found in of_kind.items()}
            yield f"{kind}-{number + 1:02}", (solution | own if kind == "right" else own)


def _look(chosen: dict[str, Answer], result: Result, tests: dict[str, str]) -> Iterator[Rehearsed]:
    marks = {mark.cell: mark for mark in result.marks}
    for exercise, answer in chosen.items():
        mark = marks[tests[exercise]]
        flags = [flag for flag in result.flags if flag.cell in ("", exercise, tests[exercise])]  # "": the whole run
        if answer.kind == "right" and mark.score != mark.points:
            problem = f"a right answer is rejected when graded: {mark.message}"
        elif answer.kind == "wrong" and mark.score:
            problem = "a wrong answer is accepted when graded"
        elif mark.message == UNNAMED:
            problem = "the hidden part says nothing that a student may read"
        else:
            problem = "; ".join(f"flagged: {flag.what}: {flag.evidence}" for flag in flags)
        yield Rehearsed(answer, problem)
