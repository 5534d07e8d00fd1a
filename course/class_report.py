"""The page about a class: scores, how each exercise went, what was repaired and what was flagged. It runs nothing."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from course import files
from course.desk import Desk
from course.gradebook import ByHand
from course.results import Grade, exercise
from course.submission import Mark, Result

BINS = 10
SHOWN_MESSAGES = 3  # of each exercise
LONGEST = 400  # characters of one text


@dataclass(frozen=True)
class Exercise:
    """How one exercise went.

    Attributes:
        name: of the exercise.
        marked: for how many students it was marked.
        passed, unanswered: how many of them.
        messages: of failed tests, as (count, example), the commonest first; those that differ in numbers only are one.
    """

    name: str
    marked: int
    passed: int
    unanswered: int
    messages: list[tuple[int, str]]


@dataclass(frozen=True)
class WrittenAnswer:
    """How far a person has come with one written answer."""

    name: str
    points: float
    given: list[float]
    waiting: int


def write(
    desk: Desk, assignment: str, grades: list[Grade], results: dict[str, Result], by_hand: dict[str, ByHand]
) -> Path:
    """Write a week's page, ``desk.folder/weekNN.html``.

    Args:
        desk: the class.
        assignment: the week, such as ``"week01"``.
        grades: everybody's.
        results: why, by student.
        by_hand: what a person did, by student.
    """
    shares = [g.score / g.max_score for g in grades if g.max_score]
    values = {
        "week": int(assignment[4:6]),
        "notebooks": sorted({mark.notebook for result in results.values() for mark in result.marks}),
        "grades": grades,
        "mean": mean(g.score for g in grades) if grades else None,
        "median": median(g.score for g in grades) if grades else None,
        "most": max((g.max_score for g in grades), default=0),
        "bins": histogram(shares),
        "exercises": exercises(results.values()),
        "written": written_answers(results.values(), by_hand.values()),
        "by_hand": {student: sum(hand.points.values()) for student, hand in by_hand.items() if hand.points},
        "repairs": Counter(kind for g in grades for kind in {kind_of(note) for note in g.repairs}).most_common(),
        "checkpoints": {student: result.checkpoints for student, result in results.items()},
        "ungraded": [student for student in desk.students(assignment) if student not in results],
        "graded": _newest(desk.result(student, assignment) for student in results),
        "now": datetime.datetime.now(),
        "pages": {s: _pages(s, assignment, result) for s, result in results.items()},
    }
    desk.folder.mkdir(parents=True, exist_ok=True)
    files.write_text(desk.page(assignment), _environment().get_template("class_report.html").render(values))
    return desk.page(assignment)


def histogram(shares: Iterable[float]) -> list[int]:
    """How many scores, as shares of the points that there are, lie in each tenth; full marks belong to the last."""
    counts = Counter(min(int(share * BINS + 1e-9), BINS - 1) for share in shares)
    return [counts[number] for number in range(BINS)]


def exercises(results: Iterable[Result]) -> list[Exercise]:
    """Every test of the week, in the notebooks' order."""
    return [_exercise(cell, marks) for (_, cell), marks in _by_cell(results).items() if marks[0].message]


def written_answers(results: Iterable[Result], by_hand: Iterable[ByHand]) -> list[WrittenAnswer]:
    """Every cell that a person grades, in the notebooks' order."""
    cells, hands = _by_cell(results), list(by_hand)
    found = []
    for cell, marks in cells.items():
        if not marks[0].message:
            given = [hand.points[cell] for hand in hands if cell in hand.points]
            waiting = sum(cell in hand.waiting for hand in hands)
            found.append(WrittenAnswer(cell[1], marks[0].points, given, waiting))
    return found


def kind_of(repair: str) -> str:
    """What was mended, without saying where."""
    return re.sub(r"^[\w, -]+: ", "", re.sub(r"^the file is named .*", "the file has another name", repair))


def shorten(text: str) -> str:
    """A text on one line, of a length that can be read, without what a browser cannot show."""
    shown = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in " ".join(text.split()))
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + " …"


def _by_cell(results: Iterable[Result]) -> dict[tuple[str, str], list[Mark]]:
    cells = defaultdict(list)
    for result in results:
        for mark in result.marks:
            cells[mark.notebook, mark.cell].append(mark)
    return cells


def _exercise(cell: str, marks: list[Mark]) -> Exercise:
    failed = [mark.message for mark in marks if not mark.score]
    said = defaultdict(list)
    for message in failed:
        if message != "not answered":
            said[re.sub(r"\d+", "0", shorten(message))].append(message)
    messages = sorted(((len(group), group[0]) for group in said.values()), key=lambda pair: -pair[0])
    return Exercise(exercise(cell), len(marks), len(marks) - len(failed), failed.count("not answered"), messages)


def _pages(student: str, assignment: str, result: Result) -> dict[str, str]:
    """Addresses of a student's feedback, from the page's own folder."""
    names = sorted({mark.notebook for mark in result.marks})
    return {name: quote(f"feedback/{student}/{assignment}/{name}.html") for name in names}


def _newest(paths: Iterable[Path]) -> datetime.datetime | None:
    times = [path.stat().st_mtime for path in paths]
    return datetime.datetime.fromtimestamp(max(times)) if times else None


def _environment() -> Environment:
    folder = FileSystemLoader(Path(__file__).parent)
    page = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page.filters |= {"shorten": shorten, "time": "{:%d %B %Y, %H:%M}".format, "number": "{:g}".format}
    page.globals["SHOWN_MESSAGES"] = SHOWN_MESSAGES
    return page
