"""What a student has passed and measured, in a file of their own. Nothing of it leaves the machine.

Each test that passes, each checkpoint and the time spent is a line of JSON in ``progress.jsonl``, in ``lab.folder``,
which no update and no new installation touches. `chart` adds the lines up to a map of the forty weeks;
``progress.ipynb`` and ``course progress`` show it. In unattended runs, such as grading, nothing is written.
"""

from __future__ import annotations

import datetime
import json
import os
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock
from IPython import get_ipython

from utils.fetch import ROOT

PAUSE = 600  # seconds between two cells after which somebody is taken to have left
MINUTE = 60  # time is written down when so many seconds have come together
ROW = {"name", "value", "sign", "target", "unit", "passed"}  # what a checkpoint's event has, at least
DONE, STARTED, NEXT, LATER, PLANNED = "done", "in progress", "next", "later", "planned"
MARKS = {DONE: "●", STARTED: "◐", NEXT: "○", LATER: "·", PLANNED: " "}


class Diary:
    """The file ``progress.jsonl``: one event a line, in the order in which they happened.

    Args:
        folder: the student's own folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "progress.jsonl"
        self._lock = FileLock(folder / ".progress.lock", timeout=10)

    def write(self, notebook: str, **event: object) -> None:
        """Add an event of a notebook: ``test`` and ``passed``, ``checkpoint``, or ``seconds`` spent.

        A folder that cannot be written to is said below the cell and stops nobody's work.
        """
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        line = json.dumps({"at": now, "notebook": notebook, **event}, ensure_ascii=False) + "\n"
        try:
            with self._lock, self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:  # standard error would cost the cell its points
            print(f"Your progress could not be written to {self.path}: {error}")

    def read(self) -> list[dict]:
        """All events. A file with a line that is none is set aside under another name; its good lines are kept."""
        with self._lock:
            if not self.path.exists():
                return []
            lines = self.path.read_bytes().splitlines()
            events = [event for event in map(_event, lines) if event]
            if len(events) < len(lines):
                self._set_aside(events)
        return events

    def _set_aside(self, events: list[dict]) -> None:
        broken = self.path.with_name(f"progress-broken-{datetime.datetime.now():%Y%m%d-%H%M%S}.jsonl")
        partial = self.path.with_name(".progress.partial")
        partial.write_text("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in events), encoding="utf-8")
        self.path.rename(broken)
        os.replace(partial, self.path)
        print(f"{self.path} was damaged: the old file is now {broken.name}, and {len(events)} entries were saved.")


def _event(line: bytes) -> dict | None:
    """A line's event; None where it is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not (isinstance(event, dict) and isinstance(event.get("notebook"), str)):
        return None
    row, seconds = event.get("checkpoint"), event.get("seconds", 0)
    is_right = row is None or (isinstance(row, dict) and row.keys() >= ROW)
    return event if is_right and isinstance(seconds, int | float) and isinstance(event.get("test", ""), str) else None


class Watch:
    """Looks on while cells run: says and writes down which tests pass, and writes down the time spent.

    Args:
        notebook: its file stem.
        diary: where to.
    """

    def __init__(self, notebook: str, diary: Diary) -> None:
        self.notebook, self.diary = notebook, diary
        self.tests = {source: name for name, source in tests(notebook).items()}
        self.passed: set[str] = set()  # since this kernel started
        self._last, self._spent = time.monotonic(), 0.0

    def __call__(self, result) -> None:
        """After a cell has run; ``result`` is IPython's ExecutionResult."""
        now = time.monotonic()
        self._spent += now - self._last if now - self._last < PAUSE else 0
        self._last = now
        if test := self.tests.get(str(result.info.raw_cell).strip()):
            self._note(test, bool(result.success))
        if self._spent >= MINUTE:
            self.diary.write(self.notebook, seconds=round(self._spent))
            self._spent = 0.0

    def _note(self, test: str, passed: bool) -> None:
        (self.passed.add if passed else self.passed.discard)(test)
        if passed:  # a test that passes says nothing itself
            print(f"✓ {test}: passed, {len(self.passed)} of {len(self.tests)} since the kernel started")
        self.diary.write(self.notebook, test=test, passed=passed)


_watching: Watch | None = None


def watch(notebook: str, folder: Path) -> None:
    """Look on in this kernel, which belongs to one notebook, from now on."""
    global _watching
    if (shell := get_ipython()) is not None and _watching is None:
        _watching = Watch(notebook, Diary(folder))
        shell.events.register("post_run_cell", _watching)


def tests(notebook: str, root: Path = ROOT) -> dict[str, str]:
    """The graded code cells of a released notebook: name → source; none where it is not released."""
    path = root / "notebooks" / notebook.partition("_")[0] / f"{notebook}.ipynb"
    if not path.exists():
        return {}
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    graded = [
        cell for cell in cells if cell["cell_type"] == "code" and cell["metadata"].get("nbgrader", {}).get("grade")
    ]
    return {cell["metadata"]["nbgrader"]["grade_id"]: "".join(cell["source"]).strip() for cell in graded}


@dataclass
class Standing:
    """How far one notebook is.

    Attributes:
        stem, title, section, phase, weeks, hours: as in syllabus.toml.
        needs: the notebooks that come before.
        tests: the names of its tests; empty where it is not released.
        passed: the tests that passed when they were run last.
        checkpoints: the last measured value of each checkpoint, with its target; see ``Lab.checkpoint``.
        seconds: spent in it.
        state: "done", "in progress", "next" (all that it needs is done), "later" or "planned".
    """

    stem: str
    title: str
    section: str
    phase: str
    weeks: tuple[int, int]
    hours: float
    needs: tuple[str, ...]
    tests: frozenset[str]
    passed: set[str] = field(default_factory=set)
    checkpoints: dict[str, dict] = field(default_factory=dict)
    seconds: float = 0.0
    state: str = PLANNED

    @property
    def when(self) -> str:
        """The week, or the weeks, as people write them."""
        first, last = self.weeks
        return str(first) if first == last else f"{first}–{last}"

    @property
    def met(self) -> int:
        """How many checkpoints were on the right side of their targets when they were measured last."""
        return sum(bool(row["passed"]) for row in self.checkpoints.values())

    @property
    def is_done(self) -> bool:
        """Every test passed, and every checkpoint that was measured, at least one, is met."""
        return bool(self.tests) and self.tests <= self.passed and 0 < self.met == len(self.checkpoints)


def chart(folder: Path, root: Path = ROOT) -> list[Standing]:
    """The map of the course: every notebook with how far it is, in the order of the syllabus.

    Args:
        folder: the student's own folder.
        root: the course.
    """
    standings = {standing.stem: standing for standing in _syllabus(root)}
    for event in Diary(folder).read():
        if event["notebook"] in standings:
            _add(standings[event["notebook"]], event)
    done = {stem for stem, standing in standings.items() if standing.is_done}
    for stem, standing in standings.items():
        standing.state = _state(standing, stem in done, set(standing.needs) <= done)
    return list(standings.values())


def _syllabus(root: Path) -> Iterator[Standing]:
    for phase in tomllib.loads((root / "syllabus.toml").read_text(encoding="utf-8"))["phase"]:
        for entry in phase["notebook"]:
            week = int(entry["stem"][4:6])
            weeks, needs = tuple(entry.get("weeks", (week, week))), tuple(entry["needs"])
            names = {name: entry[name] for name in ("stem", "title", "section", "hours")}
            of_phase = f"{phase['number']} · {phase['title']}"
            yield Standing(
                **names, phase=of_phase, weeks=weeks, needs=needs, tests=frozenset(tests(entry["stem"], root))
            )


def _add(standing: Standing, event: dict) -> None:
    if "test" in event:
        (standing.passed.add if event.get("passed") else standing.passed.discard)(event["test"])
    if row := event.get("checkpoint"):
        standing.checkpoints[f"{row['name']} {row['unit']}"] = row
    standing.seconds += event.get("seconds", 0)


def _state(standing: Standing, done: bool, unlocked: bool) -> str:
    if done:
        return DONE
    if standing.passed or standing.checkpoints or standing.seconds:
        return STARTED
    if not standing.tests:
        return PLANNED
    return NEXT if unlocked else LATER


def clock(seconds: float) -> str:
    """Time spent, as people say it: "2 h 05 min"."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
