"""Submissions of the tiny notebook as strangers send them: code that does harm, and files that are not as released."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_output

from course import ROOT

RIGHT = {"double": "def double(x):\n    return 2 * x", "quadruple": "def quadruple(x):\n    return 4 * x"}
FORKS = """import os, time
def double(x):
    while True:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)"""
FORKS_WITH_MEMORY = """import os, time
def double(x):
    for _ in range(5):
        if os.fork() == 0:
            kept = bytes([1]) * 600_000_000
            time.sleep(60)
            os._exit(0)
    time.sleep(60)"""
FILLS_THE_DISK = """def double(x):
    for i in range(100):
        with open(f"/tmp/{i}", "wb") as file:
            file.write(bytes(10**8))"""
BACKGROUND = """import subprocess
def double(x):
    subprocess.Popen(["sleep", "4321"], start_new_session=True)
    return 2 * x"""
# Right only if this machine, its files, its processes and its network cannot be seen or changed.
LOOKS_AROUND = f"""import os, pathlib, socket
def tried(call):
    try:
        call()
    except OSError:
        return False
    return True
def double(x):
    hidden = [{str(ROOT / "solutions")!r}, {str(ROOT / "tests")!r}, "/etc/passwd", "/var"]
    assert not [path for path in hidden if os.path.exists(path)]
    writable = ["/", "/usr", "/etc", "/dev", "/course", "/course/utils", {sys.prefix!r}]
    assert not [path for path in writable if tried(pathlib.Path(path, "mine").touch)]
    assert len([name for name in os.listdir("/proc") if name.isdigit()]) < 6
    assert not tried(lambda: socket.create_connection(("127.0.0.1", PORT), timeout=1))
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    assert not [name for name in ("HOSTS_SECRET", "PYTHONPATH", "PWD") if name in os.environ]
    started_with = pathlib.Path("/proc/self/environ").read_text()
    assert "HOSTS_SECRET" not in started_with and os.path.expanduser("~") == "/home/student"
    assert os.getcwd() == "/course/work/week01" and os.listdir(".") == ["week01_tiny.ipynb"]
    return 2 * x"""
SENDS_NONSENSE = """def double(x):
    kernel = get_ipython().kernel
    kernel.session.send(kernel.iopub_socket, "display_data", {"data": 5}, parent=kernel.get_parent())
    return 2 * x"""
PRINTS_HIDDEN = "print(get_ipython().user_ns['In'])\n" + RIGHT["quadruple"]  # the test of double, as it was run
CODE = {
    # student: answers, score of 4, what the reason says
    "right": (RIGHT, 4, "all 2 tests passed"),
    "empty": ({}, 0, "nothing answered"),
    "hidden": (RIGHT | {"double": "def double(x):\n    return {2: 4, 1: 2}.get(x, 0)"}, 2, "wrong for some numbers"),
    "visible": (RIGHT | {"double": "def double(x):\n    return x"}, 2, "twice two is four"),
    "crashes": (RIGHT | {"double": "def double(x):\n    return x.y"}, 2, "AttributeError"),
    "no_syntax": (RIGHT | {"double": "def double(x)\n    return 2 * x"}, 2, "NameError"),
    "exits": (RIGHT | {"quadruple": "def quadruple(x):\n    import os; os._exit(0)"}, 2, "the program ended"),
    "loops": (RIGHT | {"quadruple": "def quadruple(x):\n    while True: pass"}, 2, "ran longer than 6 s"),
    "stubborn": (
        RIGHT
        | {
            "double": "import signal\ndef double(x):\n    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
            "    while True: pass"
        },
        0,
        "an earlier cell could not be stopped",
    ),
    "warns": (
        RIGHT | {"double": "import sys\ndef double(x):\n    print('hm', file=sys.stderr)\n    return 2 * x"},
        4,
        "all 2",
    ),
    "system_exit": (RIGHT | {"double": "def double(x):\n    raise SystemExit"}, 2, "SystemExit"),
    "keyboard_interrupt": (RIGHT | {"double": "def double(x):\n    raise KeyboardInterrupt"}, 2, "KeyboardInterrupt"),
    "asks": (RIGHT | {"double": "def double(x):\n    return input()"}, 2, "StdinNotImplementedError"),
    "killed": (
        RIGHT | {"quadruple": "def quadruple(x):\n    import os; os.kill(os.getpid(), 9)"},
        2,
        "the program ended while this cell ran",
    ),
    "memory": (
        RIGHT | {"double": "def double(x):\n    return [bytes([1]) * 10**8 for _ in range(1000)]"},
        2,
        "MemoryError",
    ),
    "memory_in_forks": (RIGHT | {"double": FORKS_WITH_MEMORY}, 0, "MB of memory while this cell ran"),
    "floods": (RIGHT | {"double": "def double(x):\n    print('line\\n' * 3_000_000)\n    return 2 * x"}, 4, "all 2"),
    "shouts": (RIGHT | {"double": "def double(x):\n    raise ValueError('no' * 3 * 10**7)"}, 2, "1 of 2 tests passed"),
    "forks": (RIGHT | {"double": FORKS}, 2, "BlockingIOError"),
    "fills_the_disk": (RIGHT | {"double": FILLS_THE_DISK}, 2, "No space left on device"),
    "background": (RIGHT | {"double": BACKGROUND}, 4, "all 2"),
    "looks_around": (RIGHT | {"double": LOOKS_AROUND}, 4, "all 2"),
    "sends_nonsense": (RIGHT | {"double": SENDS_NONSENSE}, 0, "the kernel sent what is no message"),
    "prints_hidden": (RIGHT | {"quadruple": PRINTS_HIDDEN}, 4, "all 2 tests passed"),
}


def cell_of(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.id == name)


def without_metadata(notebook: NotebookNode) -> dict:
    plain = json.loads(json.dumps(notebook)) | {"nbformat_minor": 0, "metadata": {"colab": {"provenance": []}}}
    for cell in plain["cells"]:
        del cell["id"]
        cell["metadata"] = {"colab": {}, "vscode": {"languageId": "python"}}
    return plain


def of_format(minor: int) -> Callable[[NotebookNode], dict]:
    """A change to an earlier version of format 4; before 4.5 cells had no ids."""

    def change(notebook: NotebookNode) -> dict:
        plain = json.loads(json.dumps(notebook)) | {"nbformat_minor": minor}
        for cell in plain["cells"]:
            del cell["id"]
        return plain

    return change


def changed(change: Callable[[NotebookNode], object]) -> Callable[[Path, NotebookNode], None]:
    """A file under its own name, of a notebook in which something was changed."""

    def write(folder: Path, notebook: NotebookNode) -> None:
        mine = copy.deepcopy(notebook)
        (folder / NAME).write_text(json.dumps(change(mine) or mine), encoding="utf-8")

    return write


def encoded(encode: Callable[[str], bytes]) -> Callable[[Path, NotebookNode], None]:
    return lambda folder, notebook: (folder / NAME).write_bytes(encode(json.dumps(notebook, indent=1)))


def named(*names: str) -> Callable[[Path, NotebookNode], None]:
    return lambda folder, notebook: [(folder / name).write_text(json.dumps(notebook)) for name in names]


def linked(folder: Path, notebook: NotebookNode) -> None:
    elsewhere = folder.parent / "elsewhere.ipynb"
    elsewhere.write_text(json.dumps(notebook))
    (folder / NAME).symlink_to(elsewhere)


def duplicated(notebook: NotebookNode) -> None:
    again = copy.deepcopy(cell_of(notebook, "double"))
    again.source = again.source.replace("2 * x", "0")
    notebook.cells.insert(2, again)


def retyped(notebook: NotebookNode) -> None:
    cell = cell_of(notebook, "double")
    cell.cell_type = "markdown"
    del cell["outputs"], cell["execution_count"]


def renamed(notebook: NotebookNode) -> None:
    cell = cell_of(notebook, "double")
    cell.id = cell.metadata.nbgrader.grade_id = "mine"


def without_test(notebook: NotebookNode) -> None:
    notebook.cells.remove(cell_of(notebook, "test_double"))


def tagged(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata["tags"] = ["experiment", "skip-execution"]
    cell_of(notebook, "double").source = "def double(x):\n    return 0"


def regraded(notebook: NotebookNode) -> None:
    cell_of(notebook, "test_double").metadata.nbgrader |= {"grade": False, "points": 100}


def fifty_megabytes(notebook: NotebookNode) -> None:
    cell_of(notebook, "double").outputs = [new_output("stream", name="stdout", text="x" * 50_000_000)]


NAME = "week01_tiny.ipynb"
FILES = {
    # student: how a notebook with right answers is sent, score of 4, what the reason or the repairs say
    "no_file": (named(), 0, "holds no .ipynb file"),
    "other_name": (named("week01_tiny (1).ipynb"), 4, "the file is named"),
    "several_names": (named("a.ipynb", "b.ipynb"), 0, "a.ipynb, b.ipynb; expected"),
    "broken": (encoded(lambda text: text[:500].encode()), 0, "not valid JSON"),
    "duplicated_cell": (changed(duplicated), 4, "there 2 times"),
    "deleted_test": (changed(without_test), 4, "test_double: deleted, put back"),
    "reordered": (changed(lambda notebook: notebook.cells.reverse()), 4, "all 2"),
    "retyped": (changed(retyped), 4, "all 2"),
    "renamed": (changed(renamed), 4, "all 2"),
    "tagged": (changed(tagged), 2, "twice two is four"),
    "changed_points": (changed(regraded), 4, "all 2"),
    "lost_metadata": (changed(without_metadata), 4, "metadata was lost"),
    "other_kernel": (changed(lambda notebook: notebook.metadata.update(kernelspec={"name": "julia"})), 4, "all 2"),
    "byte_order_mark": (encoded(lambda text: b"\xef\xbb\xbf" + text.encode()), 4, "all 2"),
    "windows_lines": (encoded(lambda text: text.replace("\n", "\r\n").encode()), 4, "all 2"),
    "not_utf8": (encoded(lambda text: text.replace("Two functions", "Z\xfcrich").encode("latin-1")), 4, "is not UTF-8"),
    "fifty_megabytes": (changed(fifty_megabytes), 4, "all 2"),
    "link": (linked, 0, "holds no .ipynb file"),
} | {f"format_4_{minor}": (changed(of_format(minor)), 4, "all 2") for minor in range(5)}
