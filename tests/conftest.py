"""What tests share: what they need of the machine, the tiny course, and the notebooks that are written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from course import database, publish, run, site, syllabus
from course.sandbox import Bubblewrap, NoSandbox
from tests import browser, tiny
from utils.lab import UNATTENDED

# A shell ignores SIGINT in what it starts in the background, and processes started from there would too.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.pop(database.VARIABLE, None)  # a person's own gradebook is not for tests

WRITTEN = tuple(entry for entry in syllabus.load().notebooks if entry.source().exists())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument `entry` runs for every notebook that is written."""
    if "entry" in metafunc.fixturenames:
        metafunc.parametrize("entry", WRITTEN, ids=[entry.stem for entry in WRITTEN])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is looked at in a browser comes last: by then the notebooks are executed."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def needs() -> Callable[..., None]:
    """Skip the test where a command is missing or, with arguments, fails; under CI that is a failure."""

    def check(command: str, *arguments: str) -> None:
        if not shutil.which(command):
            message = f"needs the command '{command}', which is not on this machine"
        elif arguments and subprocess.run([command, *arguments], check=False, capture_output=True).returncode:
            message = f"needs '{command} {' '.join(arguments)}', which fails on this machine"
        else:
            return
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)

    return check


@pytest.fixture(scope="session")
def bwrap() -> None:
    """Skip the test where there is no sandbox; under CI that is a failure."""
    try:
        Bubblewrap().check()
    except NoSandbox as reason:
        pytest.fail(str(reason)) if os.environ.get("CI") == "true" else pytest.skip(str(reason))


@pytest.fixture(scope="module")
def chromium(needs) -> Iterator[Browser]:
    """An open browser."""
    needs("chromium")
    with browser.chromium() as open_browser:
        yield open_browser


@pytest.fixture(scope="session")
def student_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student's tree in a folder of its own, installed there as a student installs it."""
    folder = tmp_path_factory.mktemp("student") / "tree"
    publish.publish(folder)
    installed = subprocess.run(["make", "install"], cwd=folder, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return folder


@pytest.fixture(scope="session")
def executed_notebooks(needs) -> None:
    """All notebooks have been executed, for what is looked at in a browser; what is missing is executed now."""
    needs("chromium")  # before minutes of work
    if missing := tuple(site.missing()):
        assert [execution for execution in run.run(missing, jobs=2) if execution.error] == []


@pytest.fixture
def attended(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if a person sat in front of notebooks: their own folder, in a home of its own."""
    for variable in (UNATTENDED, "CI"):
        monkeypatch.delenv(variable, raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    return home / "unified-ai-curriculum"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course of one tiny notebook, in a folder of its own."""
    return tiny.course(tmp_path)


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts in the project's folder, whatever the one before it did."""
    monkeypatch.chdir(syllabus.ROOT)


@pytest.fixture
def foreign_utils(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another package named `utils`, which every Python that the test starts would find before site-packages."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "utils").mkdir()
    (folder / "utils" / "__init__.py").write_text("raise RuntimeError('the foreign utils was imported')\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder
