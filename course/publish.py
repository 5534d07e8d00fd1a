"""Builds the student's tree: the course without solutions, tests and instructors' pages."""

from __future__ import annotations

import ast
import os
import shutil
import tempfile
from pathlib import Path

from course import ROOT, CourseError, readme, syllabus

# What students get. A folder stands for all that git tracks in it.
STUDENT_TREE = (
    ".gitignore",
    "LICENSE",
    "Makefile",
    "README.md",
    "constraints.txt",
    "course",
    "data/registry.toml",
    "docs/checkpoints-cpu.md",
    "docs/checkpoints-gpu.md",
    "docs/figures",
    "environment.yml",
    "nbgrader_config.py",
    "notebooks",
    "pyproject.toml",
    "syllabus.toml",
    "utils",
)
NEEDED_IN_GRADING = ("data/registry.toml", "syllabus.toml", "utils")
NOT_FILES = ("__pycache__", ".ipynb_checkpoints")


class PublishRefused(CourseError):
    """The student's tree cannot be built there."""


def publish(folder: Path, last_week: int | None = None, root: Path = ROOT) -> list[Path]:
    """Write the student's tree into an empty or new folder.

    Args:
        folder: where to; it may hold a ``.git``, and nothing else.
        last_week: the last week that students get, and with it the textbook code of earlier weeks; None for all.
        root: the course.

    Returns:
        The files written, relative to ``folder``.

    Raises:
        PublishRefused: the folder holds something.
    """
    if folder.exists() and any(path.name != ".git" for path in folder.iterdir()):
        raise PublishRefused(f"{folder} is not empty: the student's tree is written into an empty folder only")
    folder.mkdir(parents=True, exist_ok=True)
    last_week = last_week or max(notebook.weeks[1] for notebook in syllabus.load(root).notebooks)
    files = [path for path in _tree(root) if _belongs(path, root, last_week)]
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".publish-") as building:
        _copy(files, root, Path(building))
        readme.update(Path(building))  # only what is in this tree is there
        for path in Path(building).iterdir():
            os.replace(path, folder / path.name)
    return files


def publish_for_grading(folder: Path, week: int, root: Path = ROOT) -> None:
    """Write what a student's code needs while it is graded, and nothing else, into a new folder.

    Args:
        folder: where to; what is there is replaced.
        week: the week that is graded. Textbook code that it teaches itself is left out.
        root: the course.
    """
    shutil.rmtree(folder, ignore_errors=True)
    _copy([path for path in _tree(root, NEEDED_IN_GRADING) if _belongs(path, root, week)], root, folder)


def _copy(files: list[Path], root: Path, folder: Path) -> None:
    for path in files:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)


def _tree(root: Path, names: tuple[str, ...] = STUDENT_TREE) -> list[Path]:
    found = []
    for name in names:
        path = root / name
        found += sorted(path.rglob("*")) if path.is_dir() else [path]
    return [p.relative_to(root) for p in found if p.is_file() and not set(NOT_FILES) & set(p.parts)]


def _belongs(path: Path, root: Path, last_week: int) -> bool:
    if path.parts[0] == "notebooks" and path.parts[1].startswith("week"):
        return int(path.parts[1][4:6]) <= last_week
    taught = taught_in(root / path) if path.parts[0] == "utils" and path.suffix == ".py" else None
    return taught is None or taught < last_week


def taught_in(path: Path) -> int | None:
    """The week that teaches a textbook module: its ``TAUGHT_IN``, None where it has none."""
    for line in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Assign) and getattr(line.targets[0], "id", "") == "TAUGHT_IN":
            return ast.literal_eval(line.value)
    return None
