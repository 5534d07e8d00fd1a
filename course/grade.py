"""From submissions to grades: repair, nbgrader's autograder, gradebook, feedback, and a reason for each score."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback

from course import ROOT, CourseError, files, gradebook, parallel
from course import notebook as nb
from course.collect import collect
from course.feedback import verdict

EXCHANGE = ("timestamp.txt", "submission_secret.txt")  # nbgrader's exchange needs them to hand back feedback


class GradingFailed(CourseError):
    """Grading could not begin, or nbgrader gave up on a submission."""


@dataclass(frozen=True)
class Grade:
    """What one student gets for one week."""

    student: str
    score: float
    max_score: float
    waiting: float  # points of written answers that a person still has to grade
    reason: str
    repairs: tuple[str, ...] = field(default=())
    feedback: str = ""


@dataclass(frozen=True)
class Desk:
    """The folder in which one class is graded.

    ``submitted/STUDENT/weekNN`` is read and never changed. Everything else in it is made by grading: ``release``,
    ``repaired``, ``autograded``, ``feedback`` and ``gradebook.db``.
    """

    folder: Path
    root: Path = ROOT

    def submitted(self, student: str, assignment: str) -> Path:
        return self.folder / "submitted" / student / assignment

    def students(self, assignment: str) -> list[str]:
        return sorted(path.parent.name for path in (self.folder / "submitted").glob(f"*/{assignment}") if path.is_dir())

    def releases(self, assignment: str) -> dict[str, NotebookNode]:
        return {path.stem: nb.read(path) for path in sorted((self.folder / "release" / assignment).glob("*.ipynb"))}

    def config(self, assignment: str, student: str = "*"):
        config = gradebook.config(self.root, self.folder)
        config.CourseDirectory.assignment_id, config.CourseDirectory.student_id = assignment, student
        config.BaseConverter.force = True
        return config


def grade(
    desk: Desk,
    assignment: str,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    timeout: int = 60,
    done: Callable[[Grade], None] = lambda grade: None,
) -> list[Grade]:
    """Grade every submission of a week.

    Args:
        desk: where the submissions lie.
        assignment: the week, such as ``"week01"``.
        jobs, scheduler: see :func:`course.parallel.workers`.
        timeout: seconds that one cell may run.
        done: called with each grade as it comes.

    Returns:
        One grade a student, in the order of their names; also written to ``desk.folder/weekNN.csv``.

    Raises:
        GradingFailed: there is nothing to grade, or the week has no solution notebook.
    """
    students = desk.students(assignment)
    if not students:
        raise GradingFailed(f"no submissions: {desk.folder}/submitted/STUDENT/{assignment} does not exist")
    prepare(desk, assignment)
    grades = []
    with parallel.workers(min(jobs, len(students)), scheduler) as client:
        task = partial(grade_one, desk, assignment, timeout)
        for _, result in parallel.fan_out(client, task, students, watch=lambda event: None):
            grades.append(result)
            done(result)
    grades.sort(key=lambda g: g.student)
    write_csv(desk.folder / f"{assignment}.csv", grades)
    return grades


def prepare(desk: Desk, assignment: str) -> None:
    """Enter the week into the gradebook, and keep the release that submissions are held against."""
    if not any((desk.root / "solutions" / assignment).glob("*.ipynb")):
        raise GradingFailed(f"no solution notebook in solutions/{assignment}: grading needs the instructor's tree")
    desk.folder.mkdir(parents=True, exist_ok=True)
    config = desk.config(assignment)
    config.CourseDirectory.student_id = "."
    config.CourseDirectory.release_directory = str(desk.folder / "release")
    gradebook.convert(GenerateAssignment, config, GradingFailed)


def grade_one(desk: Desk, assignment: str, timeout: int, student: str) -> Grade:
    """Grade one submission; whatever it does, there is a score and a reason. Runs in a worker process."""
    repairs, fault = _repair(desk, assignment, student)
    config = desk.config(assignment, student)
    config.Execute.timeout = timeout
    parallel.prepare_environment(single_thread=True)
    try:
        gradebook.convert(Autograde, config, GradingFailed)
        gradebook.convert(GenerateFeedback, config, GradingFailed)
    except GradingFailed as error:
        return Grade(student, 0.0, _points(desk, assignment), 0.0, _failure(desk, assignment, student, error), repairs)
    reason = fault or _reason(desk, assignment, student)
    feedback = str(desk.folder / "feedback" / student / assignment)
    return replace(_score(config, assignment, student), reason=reason, repairs=repairs, feedback=feedback)


def _repair(desk: Desk, assignment: str, student: str) -> tuple[tuple[str, ...], str]:
    target = desk.folder / "repaired" / student / assignment
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in EXCHANGE:
        if (desk.submitted(student, assignment) / name).is_file():
            shutil.copyfile(desk.submitted(student, assignment) / name, target / name)
    notes, faults = [], []
    for stem, release in desk.releases(assignment).items():
        repaired = collect(desk.submitted(student, assignment), stem, release)
        nbformat.write(repaired.notebook, target / f"{stem}.ipynb")
        notes += repaired.notes
        faults += [repaired.fault] if repaired.fault else []
    return tuple(notes), "; ".join(faults)


def _score(config, assignment: str, student: str) -> Grade:
    with Gradebook(config.CourseDirectory.db_url, config.CourseDirectory.course_id) as book:
        submission = book.find_submission(assignment, student)
        grades = [g for notebook in submission.notebooks for g in notebook.grades]
        waiting = sum(g.max_score for g in grades if g.needs_manual_grade)
        return Grade(student, submission.score, submission.max_score, waiting, reason="")


def _points(desk: Desk, assignment: str) -> float:
    cells = (cell for release in desk.releases(assignment).values() for cell in release.cells)
    return float(sum(cell.metadata.nbgrader.points for cell in cells if nb.is_graded(cell)))


def _failure(desk: Desk, assignment: str, student: str, error: GradingFailed) -> str:
    """Why nbgrader gave up, in one line; its log is kept beside the submissions."""
    log = desk.folder / "logs" / f"{assignment}-{student}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(str(error), encoding="utf-8")
    said = re.findall(r"^\w*(?:Error|Exception): .*", str(error), re.M) or ["nbgrader failed"]
    return f"could not be graded: {said[-1]}; see {log}"


def _reason(desk: Desk, assignment: str, student: str) -> str:
    """One sentence from the verdicts: what passed, what did not and why."""
    verdicts = {}
    for path in sorted((desk.folder / "autograded" / student / assignment).glob("*.ipynb")):
        verdicts |= {nb.grade_id(cell): verdict(cell) for cell in nb.read(path).cells if nb.is_test(cell)}
    failed = {name: message for name, (mark, message) in verdicts.items() if mark == "✗"}
    if not failed:
        return f"all {len(verdicts)} tests passed"
    unanswered = [name for name, message in failed.items() if message == "not answered"]
    if len(unanswered) == len(verdicts):
        return f"nothing answered: {len(verdicts)} tests open"
    parts = [f"{name.removeprefix('test_')}: {message}" for name, message in failed.items() if name not in unanswered]
    if unanswered:
        parts.append(f"not answered: {', '.join(name.removeprefix('test_') for name in unanswered)}")
    return f"{len(verdicts) - len(failed)} of {len(verdicts)} tests passed. {'; '.join(parts)}"


def write_csv(path: Path, grades: list[Grade]) -> None:
    """Write a class's grades, one row a student, for a spreadsheet or a learning platform."""
    text = io.StringIO(newline="")
    rows = csv.DictWriter(text, fieldnames=[*Grade.__dataclass_fields__], lineterminator="\n")
    rows.writeheader()
    rows.writerows(asdict(g) | {"repairs": "; ".join(g.repairs)} for g in grades)
    files.write_text(path, text.getvalue())
