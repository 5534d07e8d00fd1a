"""Brings a class's submissions out of a learning platform's zip file into the folders that grading reads.

Nothing in an archive decides where a file goes: from its entries only a student's name and a file's name are taken, and
both without any path.
"""

from __future__ import annotations

import filecmp
import io
import os
import re
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from course import CourseError, syllabus
from course.collect import LARGEST
from course.desk import Desk
from course.sandbox import MB

ENTRIES = 100_000
STUDENT = 2 * LARGEST  # bytes of all that one student sent
NAMES = {  # how platforms name an entry
    "Moodle": re.compile(r"^(?:.*/)?(?P<student>[^/]+_\d+)_assignsubmission_[a-z]+_/?(?P<file>[^/]+)$"),
    "Blackboard": re.compile(r"^(?:.*/)?[^/]+_(?P<student>[^_/]+)_attempt_[\d-]+_(?P<file>[^/]+)$"),
    "Canvas": re.compile(r"^(?:.*/)?(?P<student>[^_/]+(?:_LATE)?_\d+)_\d+_(?P<file>[^/]+)$"),
    "a folder a student": re.compile(r"^(?:submitted/)?(?P<student>[^/]+)/(?:.*/)?(?P<file>[^/]+)$"),
    "a file a student": re.compile(r"^(?P<file>(?P<student>[^/]+)\.ipynb)$"),
}
OWN_NAME = re.compile(r"[ _-]*week\d\d_\w+$")  # of a notebook, after the student's


class CannotUnpack(CourseError):
    """An archive cannot be used at all."""


@dataclass
class Unpacked:
    """What became of an archive: students' names, and entries with the reason why they were left."""

    new: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)  # were there already
    updated: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)  # were there with other content, and were left
    refused: list[tuple[str, str]] = field(default_factory=list)


def week_of(archive: Path) -> str:
    """The week whose notebooks an archive holds, such as ``"week01"``.

    Raises:
        CannotUnpack: the names of its entries do not tell.
    """
    with _open(archive) as zipped:
        names = "\n".join(zipped.namelist())
    found = {entry.assignment for entry in syllabus.load().notebooks if entry.stem in names}
    if len(found) != 1:
        raise CannotUnpack(f"{archive.name} does not tell which week it is. Say it: course collect {archive.name} 1")
    return found.pop()


def unpack(
    archive: Path, desk: Desk, assignment: str, *, update: bool = False, done: Callable[[], None] = lambda: None
) -> Unpacked:
    """Bring every student's files into ``submitted/STUDENT/weekNN``. What is there already is never overwritten.

    Args:
        archive: a zip file, as Moodle, Canvas or Blackboard export it, or with a folder or a file for each student.
        desk: the class.
        assignment: the week, such as ``"week01"``.
        update: where a student sent something else than before, take it, and move the older to ``superseded``.
        done: called after each student.

    Raises:
        CannotUnpack: it is no zip file, has too many entries, or does not fit on the disk.
    """
    result = Unpacked()
    desk.folder.mkdir(parents=True, exist_ok=True)
    with _open(archive) as zipped, tempfile.TemporaryDirectory(prefix=".arriving-", dir=desk.folder) as arriving:
        _check_size(zipped, archive, desk.folder)
        for student, entries in _by_student(zipped, assignment, result).items():
            folder = Path(arriving, student)
            folder.mkdir()
            for info, name in entries:
                _take(zipped, info, name, folder, result)
            if any(folder.iterdir()):
                _move_in(folder, desk, student, assignment, update, result)
            done()
    return result


def students_in(archive: Path, assignment: str) -> int:
    """How many students' work an archive holds."""
    with _open(archive) as zipped:
        return len(_by_student(zipped, assignment, Unpacked()))


def _open(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise CannotUnpack(f"{archive} cannot be read as a zip file: {error}") from None


def _check_size(zipped: zipfile.ZipFile, archive: Path, folder: Path) -> None:
    if (count := len(zipped.infolist())) > ENTRIES:
        raise CannotUnpack(f"{archive} has {count:,} entries; the most is {ENTRIES:,}")
    size = sum(info.file_size for info in zipped.infolist() if info.file_size <= LARGEST)
    if size > (free := shutil.disk_usage(folder).free) * 0.9:
        raise CannotUnpack(f"{archive} unpacks to {size // MB:,} MB, and {folder} has {free // MB:,} MB left")


def _by_student(
    zipped: zipfile.ZipFile, assignment: str, result: Unpacked
) -> dict[str, list[tuple[zipfile.ZipInfo, str]]]:
    """Each student's entries, with the names that their files get; what cannot be used is added to the result."""
    found, written = defaultdict(list), {}
    for info, path in _files(zipped, assignment):
        match = next((named for pattern in NAMES.values() if (named := pattern.match(str(path)))), None)
        raw = OWN_NAME.sub("", match["student"]).replace("_LATE", "") if match else ""
        student = _clean(raw)
        if not student or student == assignment:
            result.refused.append(
                (info.filename, "does not say whose it is: put it into a folder with the student's name")
            )
        elif written.setdefault(student, raw) != raw:
            result.refused.append((info.filename, f"two students would be called {student}"))
        else:
            found[student].append((info, _clean(match["file"]) or "unnamed"))
    return found


def _files(zipped: zipfile.ZipFile, assignment: str) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files of an archive, without a folder around everything, and without what macOS adds."""
    paths = [(info, PurePosixPath(info.filename.replace("\\", "/"))) for info in zipped.infolist() if not info.is_dir()]
    paths = [(info, path) for info, path in paths if "__MACOSX" not in path.parts and not path.name.startswith(".")]
    parts = [path.parts for _, path in paths]
    around = len({part[0] for part in parts}) == 1 and all(len(part) > 2 and part[1] != assignment for part in parts)
    return [(info, PurePosixPath(*path.parts[1:]) if around else path) for info, path in paths]


def _clean(name: str) -> str:
    """A name that is one part of a path, on any system."""
    return re.sub(r"[^\w.@+()-]+", "_", unicodedata.normalize("NFC", name))[-100:].strip("._")


def _take(zipped: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, folder: Path, result: Unpacked) -> None:
    """Write one entry into a student's folder; of a zip file in it the files."""
    try:
        for part, content in _contents(zipped, info, name):
            path = folder / part
            if path.exists():
                path = path.with_name(f"{path.stem} ({sum(1 for _ in folder.iterdir())}){path.suffix}")
            if sum(other.stat().st_size for other in folder.iterdir()) + len(content) > STUDENT:
                raise zipfile.BadZipFile(f"one student's files have more than {STUDENT // MB} MB")
            path.write_bytes(content)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        result.refused.append((info.filename, str(error)))


def _contents(
    zipped: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, *, outer: bool = True
) -> Iterator[tuple[str, bytes]]:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise zipfile.BadZipFile("is a link to another place")
    if info.file_size > LARGEST:
        raise zipfile.BadZipFile(f"has {info.file_size // MB:,} MB; the most is {LARGEST // MB} MB")
    content = zipped.read(info)  # never more than the size that was just looked at
    if not (outer and name.lower().endswith(".zip")):
        yield name, content
        return
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        if len(inner.infolist()) > 1000:
            raise zipfile.BadZipFile(f"holds {len(inner.infolist()):,} files")
        for part, path in _files(inner, ""):
            yield from _contents(inner, part, _clean(path.name) or "unnamed", outer=False)


def _move_in(folder: Path, desk: Desk, student: str, assignment: str, update: bool, result: Unpacked) -> None:
    """Put a complete folder in its place, in one step."""
    place = desk.submitted(student, assignment)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        os.rename(folder, place)
        result.new.append(student)
    elif _is_same(folder, place):
        result.same.append(student)
    elif update:
        aside = desk.folder / "superseded" / student
        aside.mkdir(parents=True, exist_ok=True)
        os.rename(place, aside / f"{assignment}-{sum(1 for _ in aside.glob(f'{assignment}-*')) + 1}")
        os.rename(folder, place)
        result.updated.append(student)
    else:
        result.different.append(student)


def _is_same(one: Path, other: Path) -> bool:
    names = sorted(path.name for path in one.iterdir())
    if names != sorted(path.name for path in other.iterdir()):
        return False
    return not any(filecmp.cmpfiles(one, other, names, shallow=False)[1:])
