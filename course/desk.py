"""The folder in which a class is graded: where everything lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from course import ROOT
from course import notebook as nb

GRADING = ".grading"  # where a class is graded unless another folder is named


@dataclass(frozen=True)
class Desk:
    """The folder in which one class is graded.

    ``submitted/STUDENT/weekNN`` is read and never changed; ``superseded`` holds older work that collecting put aside.
    Everything else is made by grading: ``release`` (the week as students got it), ``master`` (the same with hidden
    tests), ``room`` (the students' course, as a sandbox shows it), ``repaired``, ``autograded`` and ``feedback`` (one
    notebook or page a student), ``results`` (why each score is what it is), ``weekNN.html`` and ``weekNN.csv`` (the
    class's report and grades), and the gradebook, where ``database`` names no other place for it.
    """

    folder: Path
    root: Path = ROOT
    database: str = field(default="", repr=False)  # a URL, which can hold a password

    @property
    def gradebook(self) -> str:
        """The URL of the gradebook's database."""
        return self.database or f"sqlite:///{self.folder}/gradebook.db"

    def submitted(self, student: str, assignment: str) -> Path:
        return self.folder / "submitted" / student / assignment

    def repaired(self, student: str, assignment: str) -> Path:
        return self.folder / "repaired" / student / assignment

    def autograded(self, student: str, assignment: str) -> Path:
        return self.folder / "autograded" / student / assignment

    def feedback(self, student: str, assignment: str) -> Path:
        return self.folder / "feedback" / student / assignment

    def result(self, student: str, assignment: str) -> Path:
        return self.folder / "results" / assignment / f"{student}.json"

    def feedback_digest(self, student: str, assignment: str) -> Path:
        """What a student's feedback was made from."""
        return self.result(student, assignment).with_suffix(".feedback")

    def page(self, assignment: str) -> Path:
        return self.folder / f"{assignment}.html"

    def table(self, assignment: str) -> Path:
        return self.folder / f"{assignment}.csv"

    def room(self, assignment: str) -> Path:
        return self.folder / "room" / assignment

    def master(self, assignment: str) -> Path:
        return self.folder / "master" / assignment

    def students(self, assignment: str) -> list[str]:
        return sorted(path.parent.name for path in (self.folder / "submitted").glob(f"*/{assignment}") if path.is_dir())

    def releases(self, assignment: str) -> dict[str, NotebookNode]:
        """The week's notebooks as students got them, by name."""
        return _read_all(self.folder / "release" / assignment)

    def masters(self, assignment: str) -> dict[str, NotebookNode]:
        """The same with their hidden tests."""
        return _read_all(self.master(assignment))


def _read_all(folder: Path) -> dict[str, NotebookNode]:
    return {path.stem: nb.read(path) for path in sorted(folder.glob("*.ipynb"))}
