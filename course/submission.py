"""One submission, from what was sent to marks with reasons. Runs in a worker process; the gradebook is elsewhere."""

from __future__ import annotations

import ast
import copy
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from nbgrader.utils import compute_checksum, determine_grade, parse_utc

from course import answers, files, forgery, parallel
from course import notebook as nb
from course.collect import collect, links, plain_files
from course.desk import Desk
from course.execute import End, ExecuteToTheEnd
from course.feedback import WITHHELD, message
from course.forgery import FOOLED, Flag
from course.kernel import ForkServer, LocalKernel, SandboxFailed
from course.sandbox import Bubblewrap, Limits, Room
from utils.lab import CHECKPOINT_MIME

EXCHANGE = ("timestamp.txt", "submission_secret.txt")  # nbgrader's exchange needs them to hand back feedback
MODULE_SUFFIXES = (".py", ".pyc", ".so", ".pth", ".pyd", ".zip", ".egg")
ALWAYS = ("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.debugger", "tornado.platform.asyncio")
ALWAYS += tuple(f"IPython.core.{name}" for name in ("completerlib", "debugger", "logger", "oinspect"))
ALWAYS += ("IPython.extensions.storemagic", "tornado.queues", "zmq.utils.garbage")
ALWAYS += ("stack_data", "pygments.formatters.terminal256", "IPython.core.magics.basic")  # for a first traceback
# Imported by what a notebook imports, but only when it is first used, which takes a second.
LATER = {"torch": ("torch._dynamo",), "matplotlib": ("matplotlib.pyplot", "matplotlib_inline.backend_inline")}


@dataclass(frozen=True)
class Conditions:
    """How submissions are run.

    Attributes:
        isolation: opens sandboxes; None to run submissions as processes of the grader's own user.
        timeout: seconds that one cell may run.
        limits: what one submission may use, in a sandbox.
        full: run experiments, too.
    """

    isolation: Bubblewrap | None
    timeout: int = 60
    limits: Limits = field(default_factory=Limits)
    full: bool = False


SANDBOXED = Conditions(Bubblewrap())


@dataclass(frozen=True)
class Mark:
    """What one graded cell gets.

    Attributes:
        notebook, cell: its notebook and its nbgrader id.
        points: the most that it can give.
        score: what it gives; None where a person has to decide.
        message: for a test, ``"passed"``, ``"not answered"`` or what does not hold; empty for a written answer.
    """

    notebook: str
    cell: str
    points: float
    score: float | None
    message: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one submission.

    Attributes:
        student: the folder's name.
        digest: of all that the result depends on; the same digest, the same result.
        marks: of every graded cell.
        empty: cells, as (notebook, id), that the student left as they were.
        repairs: what was mended before it was run.
        flags: what looks like an attempt to get points without an answer.
        fault: why nothing of the student's could be used; empty where something could.
        checkpoints: what experiments measured, as they said it, where they were run.
        timestamp: when it was submitted, where nbgrader's exchange knows.
    """

    student: str
    digest: str
    marks: tuple[Mark, ...]
    empty: tuple[tuple[str, str], ...]
    repairs: tuple[str, ...] = field(default=())
    flags: tuple[Flag, ...] = field(default=())
    fault: str = ""
    checkpoints: tuple[str, ...] = field(default=())
    timestamp: str = ""


def examine(desk: Desk, assignment: str, conditions: Conditions, student: str) -> Result:
    """Repair and run one submission, and mark it. Leaves its repaired and its autograded notebooks in their folders.

    Raises:
        SandboxFailed: this machine has no sandbox any more; no submission is to blame.
    """
    sent, repaired = desk.submitted(student, assignment), desk.repaired(student, assignment)
    digest = fingerprint(desk, assignment, conditions, student)
    for folder in (repaired, desk.autograded(student, assignment)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for path in plain_files(sent):
        if path.parent == sent and path.name in EXCHANGE:
            shutil.copyfile(path, repaired / path.name)
    notes, flags = _beside(sent)
    parts = [
        _examine_notebook(desk, assignment, conditions, student, digest, stem, release)
        for stem, release in desk.releases(assignment).items()
    ]
    return Result(
        student,
        digest,
        marks=_joined(part.marks for part in parts),
        empty=_joined(part.empty for part in parts),
        repairs=(*notes, *_joined(part.repairs for part in parts)),
        flags=(*flags, *_joined(part.flags for part in parts)),
        fault="; ".join(part.fault for part in parts if part.fault),
        checkpoints=_joined(part.checkpoints for part in parts),
        timestamp=_timestamp(repaired / EXCHANGE[0]),
    )


def _joined(lists: Iterable[tuple]) -> tuple:
    return tuple(chain.from_iterable(lists))


def _examine_notebook(
    desk: Desk, assignment: str, conditions: Conditions, student: str, digest: str, stem: str, release: NotebookNode
) -> Result:
    """What one notebook of a submission adds to its result."""
    master = desk.masters(assignment)[stem]
    found = collect(desk.submitted(student, assignment), stem, release)
    _write(found.notebook, desk.repaired(student, assignment) / f"{stem}.ipynb")
    suspects = forgery.suspects(release, found.notebook)
    traps = forgery.traps(master, _wrong_answers(desk, stem), digest, every=bool(suspects))
    executed, run = _run(desk, assignment, conditions, stem, _with_hidden_tests(found.notebook, master), traps)
    _write(executed, desk.autograded(student, assignment) / f"{stem}.ipynb")
    caught = list(forgery.caught(run.trapped))
    fooled = {flag.cell for flag in caught if flag.what == FOOLED}
    marks = [_mark(stem, cell, run.ends, fooled, master) for cell in executed.cells if nb.is_graded(cell)]
    flags = [*found.flags, *suspects, *caught]
    flags += [Flag(mark.cell, forgery.READS, mark.message) for mark in marks if mark.message == WITHHELD]
    empty = ((stem, nb.grade_id(cell)) for cell in executed.cells if nb.is_solution(cell) and _is_untouched(cell))
    lists = (tuple(marks), tuple(empty), tuple(found.notes), tuple(flags))
    return Result(student, digest, *lists, found.fault, tuple(_checkpoints(executed)))


def _checkpoints(executed: NotebookNode) -> Iterator[str]:
    for output in (output for cell in executed.cells for output in cell.get("outputs", ())):
        if CHECKPOINT_MIME in output.get("data", {}):
            yield str(output.data.get("text/plain", ""))[:200]


def _beside(sent: Path) -> tuple[list[str], list[Flag]]:
    """What was sent besides notebooks; nothing of it is there when the notebook runs."""
    others = [path.name for path in plain_files(sent) if path.suffix != ".ipynb" and path.name not in EXCHANGE]
    modules = [name for name in others if Path(name).suffix in MODULE_SUFFIXES]
    notes = [f"also sent, not used: {', '.join(others)}"] if others else []
    flags = [Flag("", "a module beside the notebook; it is not used", name) for name in modules]
    flags += [Flag("", "a link to another place; it was not followed", path.name) for path in links(sent)]
    return notes, flags


def _timestamp(stamp: Path) -> str:
    """The time that nbgrader's exchange wrote down; empty where it did not, or somebody else did."""
    try:
        text = stamp.read_text(encoding="utf-8").strip()
        parse_utc(text)
    except (FileNotFoundError, ValueError, OverflowError):
        return ""
    return text


def fingerprint(desk: Desk, assignment: str, conditions: Conditions, student: str) -> str:
    """A digest of the submitted files, of the week, and of how it is run."""
    digest = hashlib.sha256(repr(conditions).encode())
    sent = desk.submitted(student, assignment)
    digest.update(repr([path.name for path in links(sent)]).encode())
    for path in (*plain_files(sent), *sorted(desk.master(assignment).glob("*.ipynb"))):
        digest.update(os.fsencode(path.name) + b"\0")
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def _with_hidden_tests(repaired: NotebookNode, master: NotebookNode) -> NotebookNode:
    tests = {nb.grade_id(cell): cell.source for cell in master.cells if nb.is_test(cell)}
    complete = copy.deepcopy(repaired)
    for cell in complete.cells:
        if nb.is_test(cell):
            cell.source = tests[nb.grade_id(cell)]
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return complete


def _run(
    desk: Desk, assignment: str, conditions: Conditions, stem: str, complete: NotebookNode, traps: dict[str, str]
) -> tuple[NotebookNode, ExecuteToTheEnd]:
    """Execute what is graded, and at the end the traps of tests that passed."""
    run = ExecuteToTheEnd(
        timeout=conditions.timeout,
        output_limit=conditions.limits.output,
        skip_cells_with_tag="" if conditions.full else nb.EXPERIMENT,
        traps=traps,
    )
    for again in (True, False):  # a sandbox that fails once is not the student's fault
        try:
            with _kernel(desk, assignment, conditions, stem) as (manager, folder):
                executed, _ = run.preprocess(copy.deepcopy(complete), {"metadata": {"path": str(folder)}}, manager)
            break
        except SandboxFailed:
            if not again:
                raise
    return executed, run


def _wrong_answers(desk: Desk, stem: str) -> dict[str, str]:
    """The first wrong answer to each exercise; none where a week has no tests/answers."""
    path = desk.root / "tests" / "answers" / f"{stem}.py"
    given = answers.parse(path.read_text(encoding="utf-8")) if path.exists() else []
    return {answer.exercise: answer.code for answer in reversed(given) if answer.kind == "wrong"}


@contextmanager
def _kernel(
    desk: Desk, assignment: str, conditions: Conditions, stem: str
) -> Iterator[tuple[AsyncKernelManager, Path]]:
    """A kernel that is not started yet, and the folder in which it is to start."""
    course, place = desk.room(assignment), Path("work", assignment)
    given = {path.name: path for path in (course / place).iterdir()}
    given[f"{stem}.ipynb"] = desk.folder / "release" / assignment / f"{stem}.ipynb"
    if conditions.isolation is None:
        parallel.prepare_environment(single_thread=True)
        with tempfile.TemporaryDirectory(dir=course / "work") as folder:
            for name, path in given.items():
                shutil.copyfile(path, Path(folder, name))
            yield LocalKernel(kernel_name="python3"), Path(folder)
        return
    of_week = (desk, assignment, conditions.isolation, conditions.limits)
    if (server := _fork_server(*of_week)).has_ended:
        _fork_server.cache_clear()
        server = _fork_server(*of_week)
    with server.kernel(Room(course, place, given)) as manager:
        yield manager, course
    if server.has_ended:
        raise SandboxFailed("the process that opens sandboxes ended while a submission ran")


@lru_cache(maxsize=1)  # a worker grades one week at a time
def _fork_server(desk: Desk, assignment: str, isolation: Bubblewrap, limits: Limits) -> ForkServer:
    modules = sorted({name for release in desk.releases(assignment).values() for name in imports(release)})
    cache = desk.folder / "cache"
    cache.mkdir(exist_ok=True)
    return ForkServer(isolation, limits, (*ALWAYS, *modules), desk.room(assignment), cache)


def imports(notebook: NotebookNode) -> set[str]:
    """The modules that a notebook's cells import when it is graded, with what those load on first use."""
    found = set()
    for cell in notebook.cells:
        if not nb.is_run_when_graded(cell):
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module == "utils":
                found |= {f"utils.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module)
    roots = {name.split(".")[0] for name in found}
    return found | {name for root in roots for name in LATER.get(root, ())}


def _mark(stem: str, cell: NotebookNode, ends: dict[str, End], fooled: set[str], master: NotebookNode) -> Mark:
    name = nb.grade_id(cell)
    if not nb.is_test(cell):
        score, points = determine_grade(cell)
        return Mark(stem, name, points, score)
    end, points = ends[cell.id], float(cell.metadata.nbgrader.points)
    if not end.part and fooled & {name, ""}:
        return Mark(stem, name, points, 0, FOOLED)
    return Mark(stem, name, points, 0 if end.part else points, message(end, cell.source, master))


def _is_untouched(cell: NotebookNode) -> bool:
    return cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)


def _write(notebook: NotebookNode, path: Path) -> None:
    files.write_text(path, nbformat.writes(notebook) + "\n")
