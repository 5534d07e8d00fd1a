"""The student's folder work/, where a notebook is copied once; JupyterLab on it and on all.

What a later release changes comes into a copy by `course.update`, which touches no cell of the student's.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from course import ROOT
from course.syllabus import Notebook

SETTINGS = Path(__file__).with_name("jupyterlab")  # no news, no buttons that only instructors need
BASES = ".released"  # in work/: each notebook as it was released when the copy took it over last


def base_of(entry: Notebook, root: Path = ROOT) -> Path:
    """The release from which a student's copy was made."""
    return root / "work" / BASES / f"{entry.stem}.ipynb"


def copy_of(entry: Notebook, root: Path = ROOT) -> Path:
    """The student's copy of a notebook."""
    return root / "work" / entry.assignment / f"{entry.stem}.ipynb"


def open_week(entries: Iterable[Notebook], root: Path = ROOT) -> list[tuple[Notebook, bool]]:
    """Copy released notebooks into work/, each with the files beside it.

    Args:
        entries: the notebooks; those that are not released are left out. ``progress.ipynb`` comes with them.
        root: the course.

    Returns:
        Each notebook, and whether it was copied now: False means that it was there and is untouched.
    """
    opened = []
    if (progress := root / "notebooks" / "progress.ipynb").exists():
        copy_once(progress, root / "work" / "progress.ipynb")
    for entry in entries:
        released = entry.released(root)
        if not released.exists():
            continue
        folder = copy_of(entry, root).parent
        folder.mkdir(parents=True, exist_ok=True)
        for source in (path for path in released.parent.rglob("*") if path.is_file() and path.suffix != ".ipynb"):
            copy_once(source, folder / source.relative_to(released.parent))
        if new := not os.path.lexists(copy_of(entry, root)):
            base_of(entry, root).unlink(missing_ok=True)  # of an earlier copy, which the student has removed
            copy_once(released, base_of(entry, root))  # first, so that whatever interrupts this, no copy lacks its base
            copy_once(released, copy_of(entry, root))
        opened.append((entry, new))
    return opened


def copy_once(source: Path, target: Path) -> bool:
    """Copy a file unless something is there; whole or not at all.

    Returns:
        Whether the file was copied.
    """
    if os.path.lexists(target):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
    os.close(handle)
    try:
        shutil.copyfile(source, partial)
        os.chmod(partial, 0o644)
        os.link(partial, target)  # unlike a rename, it fails where somebody else was faster
    except FileExistsError:
        return False
    finally:
        os.unlink(partial)
    return True


def lab(notebook: Path | None, root: Path = ROOT) -> None:
    """Become JupyterLab on work/, with nbgrader's buttons; at a notebook, where one is given."""
    first = [] if notebook is None else [f"--LabApp.default_url=/lab/tree/{notebook.relative_to(root / 'work')}"]
    _become_jupyterlab(root, root / "work", [f"--LabApp.app_settings_dir={SETTINGS}", *first])


def formgrader(root: Path = ROOT) -> None:
    """Become JupyterLab on the whole course, for this machine only, at formgrader's list of written answers."""
    _become_jupyterlab(root, root, ["--ServerApp.ip=127.0.0.1", "--LabApp.default_url=/formgrader/gradebook"])


def _become_jupyterlab(root: Path, shown: Path, options: list[str]) -> None:
    os.chdir(root)  # nbgrader reads nbgrader_config.py from the folder in which the server starts
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={shown}", *options]
    if os.geteuid() == 0:  # in a container; elsewhere nobody should work as root
        command.append("--allow-root")
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}
    os.execve(sys.executable, command, environment)
