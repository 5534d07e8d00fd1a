"""The student's folder work/, where a notebook is copied once and never overwritten; JupyterLab on it and on all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from course import ROOT
from course.syllabus import Notebook


def open_week(entries: Iterable[Notebook], root: Path = ROOT) -> list[tuple[Path, bool]]:
    """Copy released notebooks into work/, each with the files beside it.

    Args:
        entries: the notebooks; those that are not released are left out.
        root: the course.

    Returns:
        Each notebook's path in work/, and whether it was copied now: False means that it was there and is untouched.
    """
    opened = []
    for entry in entries:
        released = entry.released(root)
        if not released.exists():
            continue
        folder = root / "work" / entry.assignment
        folder.mkdir(parents=True, exist_ok=True)
        for source in (path for path in released.parent.rglob("*") if path.is_file() and path.suffix != ".ipynb"):
            copy_once(source, folder / source.relative_to(released.parent))
        target = folder / released.name
        opened.append((target, copy_once(released, target)))
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
    _become_jupyterlab(root, root / "work", first)


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
