"""Reads syllabus.toml: phases, weeks and notebooks. Whether a notebook is written is read from the files."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from course import ROOT, CourseError


class UnknownNotebook(CourseError):
    """What was asked for is not in the syllabus."""


@dataclass(frozen=True)
class Notebook:
    """One notebook of the course."""

    stem: str
    section: str
    title: str
    build: str
    checkpoint: str
    hours: int
    needs: tuple[str, ...]
    papers: tuple[str, ...]
    phase: int
    weeks: tuple[int, int]

    @property
    def assignment(self) -> str:
        """nbgrader's name for the week, and the name of its folder."""
        return self.stem.partition("_")[0]

    @property
    def when(self) -> str:
        """The week, or the weeks, as people write them."""
        first, last = self.weeks
        return str(first) if first == last else f"{first}–{last}"

    def source(self, root: Path = ROOT) -> Path:
        return root / "solutions" / self.assignment / f"{self.stem}.ipynb"

    def released(self, root: Path = ROOT) -> Path:
        return root / "notebooks" / self.assignment / f"{self.stem}.ipynb"

    def executed(self, root: Path = ROOT, profile: str = "cpu") -> Path:
        return root / "build" / "executed" / profile / f"{self.stem}.ipynb"

    def answers(self, root: Path = ROOT) -> Path:
        return root / "tests" / "answers" / f"{self.stem}.py"

    def is_written(self, root: Path = ROOT) -> bool:
        """There is a solution notebook, or, in a student's tree, a released one."""
        return self.source(root).exists() or self.released(root).exists()


@dataclass(frozen=True)
class Phase:
    """A run of weeks with one goal."""

    number: int
    title: str
    weeks: tuple[int, int]
    goal: str
    hardware: str
    notebooks: tuple[Notebook, ...]


@dataclass(frozen=True)
class Syllabus:
    """The course, as syllabus.toml lists it."""

    phases: tuple[Phase, ...]
    libraries: tuple[dict, ...]
    must_read: tuple[dict, ...]
    recommended: tuple[dict, ...]
    advice: tuple[str, ...]

    @property
    def notebooks(self) -> tuple[Notebook, ...]:
        return tuple(notebook for phase in self.phases for notebook in phase.notebooks)

    def select(self, wanted: str | None) -> tuple[Notebook, ...]:
        """The notebooks that a person means by ``7``, ``07``, ``week07``, ``week07_nanogpt`` or, with None, all.

        Raises:
            UnknownNotebook: there is no such week or notebook.
        """
        if wanted is None:
            return self.notebooks
        number = re.fullmatch(r"(?:week)?0*(\d+)", wanted)
        week = f"week{int(number[1]):02}" if number else None
        found = tuple(n for n in self.notebooks if wanted == n.stem or week == n.assignment)
        if not found:
            raise UnknownNotebook(
                f"'{wanted}' is no week of the course. Say 1 to 35, or a name that `course list` shows."
            )
        return found


@cache
def load(root: Path = ROOT) -> Syllabus:
    """Read the syllabus of the course in ``root``."""
    table = tomllib.loads((root / "syllabus.toml").read_text(encoding="utf-8"))
    phases = tuple(_phase(entry) for entry in table["phase"])
    rest = {key: tuple(table[key]) for key in ("libraries", "must_read", "recommended", "advice")}
    return Syllabus(phases=phases, **rest)


def _phase(entry: dict) -> Phase:
    notebooks = tuple(_notebook(n, entry["number"]) for n in entry["notebook"])
    rest = {key: entry[key] for key in ("number", "title", "goal", "hardware")}
    return Phase(notebooks=notebooks, weeks=tuple(entry["weeks"]), **rest)


def _notebook(entry: dict, phase: int) -> Notebook:
    week = int(entry["stem"][4:6])
    rest = {key: entry[key] for key in ("stem", "section", "title", "build", "checkpoint", "hours")}
    weeks = tuple(entry.get("weeks", (week, week)))
    return Notebook(needs=tuple(entry["needs"]), papers=tuple(entry["papers"]), phase=phase, weeks=weeks, **rest)
