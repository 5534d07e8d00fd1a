"""`python -m tests.compare_with_stock`: what hostile submissions get from `course grade`, and from stock nbgrader.

Writes docs/hostile-submissions.md. Stock nbgrader runs each submission by itself, in a sandbox with limits of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from rich.progress import track

from course import ROOT, files, grade, release
from course.desk import Desk
from course.sandbox import MB, Bubblewrap, Limits
from course.submission import Conditions
from tests import hostile, test_forgery, tiny

PAGE = ROOT / "docs" / "hostile-submissions.md"
PATIENCE = 90  # seconds for one submission
STOCK = """
import sys
from pathlib import Path
from nbgrader.converters import Autograde
from course import gradebook
from course.desk import Desk
config = gradebook.settings(Desk(Path(sys.argv[1]) / ".grading", Path(sys.argv[1])), "week01", sys.argv[2])
config.CourseDirectory.submitted_directory = sys.argv[1] + "/.grading/submitted"
config.Autograde.sanitize_preprocessors = Autograde.sanitize_preprocessors.default()
config.Execute.timeout = 6
gradebook.convert(Autograde, config, RuntimeError)
"""
HEAD = """# What hostile and damaged submissions get

Written by `python -m tests.compare_with_stock`, which runs every submission of `tests/hostile.py` and
`tests/test_forgery.py` through `course grade`, and through stock nbgrader {version} in the same course, with the same
tests and 6 seconds a cell. Submissions of the first two tables have right answers (4 points) but for what their name
says; those of the third have a wrong answer to the first exercise (2 points) and none to the second. In the first two,
stock nbgrader's scores are of 5, since it counts the point that a person gives, too. It has no limits; here it had 8 GB
of memory a process and {patience} seconds a submission.
In *looks_around* a right answer gives a wrong result where it sees anything of the machine: files, processes, network.

"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        harm = _course(Path(folder, "harm"), None)
        for student, (answers, _, _) in hostile.CODE.items():
            tiny.send(harm, student, {name: code.replace("PORT", "1") for name, code in answers.items()})
        for student, (write, _, _) in hostile.FILES.items():
            harm.submitted(student, "week01").mkdir(parents=True)
            write(harm.submitted(student, "week01"), tiny.answered(tiny.ENTRY.released(harm.root), hostile.RIGHT))
        forged = _course(Path(folder, "forged"), test_forgery.notebook())
        for student, (code, _) in test_forgery.FORGED.items():
            tiny.send(forged, student, {"scale": code})
        page = HEAD.format(version=version("nbgrader"), patience=PATIENCE)
        page += _table("Code that does harm", harm, list(hostile.CODE))
        page += _table("Files that are not as released", harm, list(hostile.FILES))
        page += _table("Forged answers", forged, list(test_forgery.FORGED))
    files.write_text(PAGE, page)


def _course(root: Path, source: nbformat.NotebookNode | None) -> Desk:
    root.mkdir()
    tiny.course(root, source)
    if source:
        test_forgery.write_wrong_answers(root)
    release.release((tiny.ENTRY,), root)
    return Desk(root / ".grading", root)


def _table(title: str, desk: Desk, students: list[str]) -> str:
    conditions = Conditions(Bubblewrap(), timeout=6, limits=Limits(memory=2000 * MB))
    ours = {g.student: g for g in grade.grade(desk, "week01", jobs=2, conditions=conditions, students=students)}
    rows = [f"## {title}\n\n| submission | score | reason | stock nbgrader |\n|---|---|---|---|\n"]
    for student in track(students, title):
        got = ours[student]
        flags = dict.fromkeys(f"flagged: {flag.what}" for flag in got.flags)
        said = "; ".join(" ".join(text.split())[:150] for text in (got.reason, *got.repairs, *flags))
        rows.append(f"| {student} | {got.score:g} | {said.replace('|', '/')} | {_stock(desk, student)} |\n")
    return "".join(rows) + "\n"


def _stock(desk: Desk, student: str) -> str:
    """The score that stock nbgrader gives, in a copy of the class."""
    if student == "forks":
        return "not tried: nothing would stop it"
    with tempfile.TemporaryDirectory(prefix="stock-") as folder:
        root = Path(folder, "course")
        shutil.copytree(desk.root, root, symlinks=True)
        sent = desk.submitted(student, "week01")
        if student == "link":
            (root / sent.relative_to(desk.root) / hostile.NAME).unlink()
            (root / sent.relative_to(desk.root) / hostile.NAME).symlink_to(sent.parent / "elsewhere.ipynb")
        (root / ".grading" / "gradebook.db").unlink()
        shutil.rmtree(root / ".grading" / "autograded")
        copied = Desk(root / ".grading", root)
        grade.prepare(copied, "week01")
        try:
            ended = subprocess.run(_command(desk.root, root, student), capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return f"no grade: nothing after {PATIENCE} s"
        with Gradebook(copied.gradebook) as book:
            try:
                found = book.find_submission("week01", student)
                is_graded = found.notebooks and not ended.returncode
                return f"{found.score:g} of {found.max_score:g}" if is_graded else "no grade"
            except MissingEntry:
                return "no grade"


def _command(original: Path, root: Path, student: str) -> list[str]:
    """Stock nbgrader, which sees this machine and can write to its copy of the course only."""
    keep = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--size", str(512 * MB), "--tmpfs", "/tmp"]
    mine = [word for path in (sys.prefix, ROOT, original) for word in ("--ro-bind", str(path), str(path))]
    apart = ["--bind", str(root), str(root), "--unshare-pid", "--unshare-net", "--unshare-ipc", "--die-with-parent"]
    home = ["--setenv", "HOME", str(root), "--setenv", "PYTHONPATH", str(ROOT), "--setenv", "OMP_NUM_THREADS", "1"]
    stock = ["prlimit", f"--as={8000 * MB}", sys.executable, "-c", STOCK, str(root), student]
    return ["bwrap", *keep, *mine, *apart, *home, "--cap-drop", "ALL", "--chdir", str(root), *stock]


if __name__ == "__main__":
    main()
