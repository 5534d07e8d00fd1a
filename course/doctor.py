"""Says what is missing on a machine, and the command that gets it."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from course import ROOT, database


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    optional: bool = False


def examine(root: Path = ROOT) -> list[Finding]:
    """Look at everything that the course needs on this machine."""
    return [
        _python(),
        *_commands(),
        *_packages(root),
        _kernel(),
        _utils(root),
        _writable(root / "work", "your work"),
        _writable(root / "data" / "cache", "data sets"),
        _disk(root),
        *_gradebook(),
        _gpu(),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", ok, version, "install Python 3.11, 3.12 or 3.13, remove .venv, then: make start")


def _commands() -> Iterator[Finding]:
    for name, needed_for in (("git", "updates"), ("make", "the verbs")):
        path = shutil.which(name)
        yield Finding(name, path is not None, path or f"not found; for {needed_for}", f"sudo apt-get install {name}")
    path = shutil.which("bwrap")
    found = path or "not found; for grading strangers' code"
    yield Finding("bubblewrap", path is not None, found, "sudo apt-get install bubblewrap", optional=True)


def _packages(root: Path) -> Iterator[Finding]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["embedded"]]:
        wanted = Requirement(text)
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(wanted.name, False, "not installed", "make start")
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            yield Finding(wanted.name, False, f"{version}; {wanted.specifier} is needed", "make start")
    yield Finding("packages", True, f"{len(project['dependencies'])} looked at")


def _kernel() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Finding("Jupyter kernel", False, "no kernel named python3", "make start")
    here = command in ("python", "python3") or Path(command).resolve() == Path(sys.executable).resolve()
    return Finding("Jupyter kernel", here, command, f"{sys.executable} -m ipykernel install --sys-prefix")


def _utils(root: Path) -> Finding:
    import utils

    found = Path(utils.__file__).resolve().parent
    return Finding("utils", found == (root / "utils").resolve(), str(found), "start Python in the course's folder")


def _writable(folder: Path, what: str) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding(f"folder for {what}", False, str(error), f"make {folder} writable")
    return Finding(f"folder for {what}", True, str(folder))


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 1e9
    return Finding("free disk", free > 2, f"{free:.0f} GB", "free 2 GB: executed notebooks and data need room")


def _gradebook() -> Iterator[Finding]:
    if url := database.named():
        try:
            database.check(url)
        except database.DatabaseFailed as error:
            yield Finding("gradebook", False, str(error), "docs/instructors.md")
        else:
            yield Finding("gradebook", True, database.shown(url))


def _gpu() -> Finding:
    import torch

    ok = torch.cuda.is_available()
    found = torch.cuda.get_device_name() if ok else "none; the gpu profile needs one, the cpu profile does not"
    return Finding("CUDA GPU", ok, found, "use PROFILE=cpu", optional=True)
