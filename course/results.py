"""Why each score is what it is: results of submissions, kept as files beside the gradebook, and grades with reasons."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from course import files
from course.desk import Desk
from course.submission import Flag, Mark, Result


@dataclass(frozen=True)
class Grade:
    """What one student gets for one week."""

    student: str
    score: float
    max_score: float
    waiting: float  # points of written answers that a person still has to grade
    reason: str
    repairs: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    feedback: str = ""


def store(desk: Desk, assignment: str, result: Result) -> None:
    """Keep a result; one of an earlier run is replaced."""
    path = desk.result(result.student, assignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n")


def stored(desk: Desk, assignment: str, students: Iterable[str]) -> dict[str, Result]:
    """The results of earlier runs, by student; who was never graded is left out."""
    found = {}
    for student in students:
        path = desk.result(student, assignment)
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            marks = tuple(Mark(**mark) for mark in kept.pop("marks"))
            flags = tuple(Flag(**flag) for flag in kept.pop("flags"))
            found[student] = Result(**{k: _as_tuple(v) for k, v in kept.items()}, marks=marks, flags=flags)
    return found


def _as_tuple(value):
    return tuple(_as_tuple(v) for v in value) if isinstance(value, list) else value


def exercise(cell: str) -> str:
    """What a test cell tests, by the cell's id."""
    return cell.removeprefix("test_")


def reason(result: Result) -> str:
    """One sentence about a result: what passed, what did not and why."""
    tests = {mark.cell: mark for mark in result.marks if mark.message}
    failed = {name: mark.message for name, mark in tests.items() if not mark.score}
    if result.fault:
        return result.fault
    if not failed:
        return f"all {len(tests)} tests passed"
    unanswered = [name for name, message in failed.items() if message == "not answered"]
    if len(unanswered) == len(tests):
        return f"nothing answered: {len(tests)} tests open"
    parts = [f"{exercise(name)}: {message}" for name, message in failed.items() if name not in unanswered]
    if unanswered:
        parts.append(f"not answered: {', '.join(exercise(name) for name in unanswered)}")
    return f"{len(tests) - len(failed)} of {len(tests)} tests passed. {'; '.join(parts)}"
