"""What grading costs a submission, beside stock nbgrader in the same run; part of `make bench`.

`python -m tests.bench_grading 1000 --week 3` grades one class of that size, made of the week's answers, and shows
whether time and memory stay flat.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import nbformat
import psutil
from nbgrader.converters import Autograde
from rich.console import Console
from rich.table import Table
from traitlets.config import Config

from course import ROOT, answers, grade, gradebook, handback, parallel, rehearsal, submission, syllabus
from course import notebook as nb
from course.desk import Desk
from course.sandbox import MB
from course.syllabus import Notebook

NAME = "student{:04}"
# The graded cells of a solution, in a process that has imported what they import.
CELLS = """
import os, sys, time
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", COURSE_UNATTENDED="1")
from pathlib import Path
from course import ROOT, notebook as nb, submission
from course.session import Session
import importlib
source = Path(sys.argv[1])
book = nb.read(source)
for name in submission.imports(book):
    importlib.import_module(name)
session = Session(source.parent)
began = time.process_time()
for cell in book.cells:
    if nb.is_run_when_graded(cell):
        session.run(cell.source, cell.id)
print(time.process_time() - began)
"""


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time that one more submission costs."""

    week: str
    cells: float  # the graded cells alone
    ours: float
    stock: float

    @property
    def overhead(self) -> float:
        """How many times less than stock, without the cells."""
        return (self.stock - self.cells) / (self.ours - self.cells)

    @property
    def total(self) -> float:
        return self.stock / self.ours


def torch_weeks() -> list[Notebook]:
    """The notebooks whose graded cells import PyTorch."""
    written = [entry for entry in syllabus.load().notebooks if entry.released().exists()]
    return [entry for entry in written if "torch" in submission.imports(nb.read(entry.released()))]


def busy() -> float:
    """Seconds that this machine's processors have worked; what else runs counts, too, so let nothing else run."""
    times = psutil.cpu_times()
    return times.user + times.system + times.nice + times.irq + times.softirq


def one_more(cost: Callable[[int], float], few: int, many: int) -> float:
    """What one more submission costs, without what is paid once."""
    at_few = cost(few)
    return (cost(many) - at_few) / (many - few)


def compare(entry: Notebook) -> Cost:
    """Grade right answers both ways; feedback, which stock autograde does not write, is left out."""
    command = [sys.executable, "-c", CELLS, str(entry.source())]
    runs = [subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True) for _ in range(3)]
    cells = statistics.median(float(run.stdout) for run in runs)
    return Cost(entry.stem, cells, one_more(lambda n: ours(entry, n), 4, 24), one_more(lambda n: stock(entry, n), 2, 6))


def ours(entry: Notebook, count: int) -> float:
    with of_right_answers(entry, count) as desk, without_feedback():
        began = busy()
        grade.grade(desk, entry.assignment)
        return busy() - began


def stock(entry: Notebook, count: int) -> float:
    with for_stock(entry, count) as config:
        began = busy()
        gradebook.convert(Autograde, config, RuntimeError)
        return busy() - began


@contextmanager
def for_stock(entry: Notebook, count: int) -> Iterator[Config]:
    """The configuration with which stock nbgrader grades a class of right answers."""
    with of_right_answers(entry, count) as desk:
        grade.prepare(desk, entry.assignment)
        config = gradebook.settings(desk, entry.assignment)
        config.CourseDirectory.submitted_directory = str(desk.folder / "submitted")
        config.Autograde.sanitize_preprocessors = Autograde.sanitize_preprocessors.default()
        parallel.prepare_environment(single_thread=True)  # as ours
        yield config


@contextmanager
def of_right_answers(entry: Notebook, count: int) -> Iterator[Desk]:
    # Inside the course, where a kernel of stock nbgrader finds `utils`.
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        desk = Desk(Path(folder))
        submit(desk, entry, [answers.filled(entry, answers.solutions(entry))] * count)
        yield desk


def submit(desk: Desk, entry: Notebook, notebooks: list[nbformat.NotebookNode]) -> None:
    for number, notebook in enumerate(notebooks):
        folder = desk.submitted(NAME.format(number), entry.assignment)
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{entry.stem}.ipynb")


def without_feedback():
    return mock.patch.object(handback, "hand_back", return_value=handback.Handback([], []))


@dataclass(frozen=True)
class Progress:
    """When each submission of a class was done, in seconds, and the most memory that a worker had until then, in MB."""

    done: list[float]
    memory: list[float]

    def rate(self, first: int, last: int) -> float:
        """Submissions a minute between two of them."""
        return 60 * (last - first) / (self.done[last - 1] - self.done[first - 1])


def class_of(entry: Notebook, count: int, jobs: int) -> Progress:
    """Grade a class made of the week's answers, right and wrong, without feedback."""
    members = [answers.filled(entry, {n: a.code for n, a in chosen.items()}) for _, chosen in rehearsal.members(entry)]
    done, memory, most, stop = [], [], [0.0], threading.Event()
    watch = threading.Thread(target=_watch, args=(most, stop))
    with tempfile.TemporaryDirectory() as folder, without_feedback():
        desk = Desk(Path(folder))
        submit(desk, entry, list(itertools.islice(itertools.cycle(members), count)))
        watch.start()
        began = time.perf_counter()

        def note(student: str) -> None:
            done.append(time.perf_counter() - began)
            memory.append(most[0])

        try:
            grade.grade(desk, entry.assignment, jobs=jobs, done=note)
        finally:
            stop.set()
            watch.join()
    return Progress(done, memory)


def _watch(most: list[float], stop: threading.Event) -> None:
    """Keep the largest memory of a worker with all that it started: its fork server, a sandbox, a kernel."""
    while not stop.wait(0.5):
        for process in psutil.Process().children(recursive=True):
            try:
                if any(word.endswith("forkserver.py") for word in process.cmdline()):
                    worker = process.parent()
                    tree = [worker, *worker.children(recursive=True)]
                    most[0] = max(most[0], sum(p.memory_full_info().pss for p in tree) / MB)
            except psutil.Error:
                pass  # it ended while we looked


def show() -> list[dict]:
    """Both comparisons, as tables; returned as rows for build/bench.json."""
    table = Table("week", "cells alone", "ours", "stock nbgrader", "overhead ×", "total ×", title="CPU-s a submission")
    costs = [compare(entry) for entry in torch_weeks()]
    for c in costs:
        numbers = (f"{c.cells:.2f}", f"{c.ours:.2f}", f"{c.stock:.2f}", f"{c.overhead:.1f}", f"{c.total:.1f}")
        table.add_row(c.week, *numbers)
    one, two = (class_of(torch_weeks()[0], 40, jobs) for jobs in (1, 2))
    gain = two.rate(5, 40) / one.rate(5, 40)
    Console().print(table)
    Console().print(
        f"One worker {one.rate(5, 40):.0f} a minute, two {two.rate(5, 40):.0f}: {gain:.2f} times; "
        f"a worker's memory at most {max(one.memory + two.memory):.0f} MB"
    )
    rows = [vars(c) | {"overhead": c.overhead, "total": c.total} for c in costs]
    return [*rows, {"workers": 2, "throughput": gain, "memory_mb": max(one.memory + two.memory)}]


def main() -> None:
    """Grade one large class and show its rate and memory as it goes."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("count", type=int)
    options.add_argument("--week", default="3")
    options.add_argument("--jobs", type=int, default=2)
    given = options.parse_args()
    [entry] = syllabus.load().select(given.week)
    progress = class_of(entry, given.count, given.jobs)
    table = Table("submissions", "a minute", "worker's memory, MB", title=f"{entry.stem}, {given.jobs} workers")
    step = max(10, given.count // 10)
    for last in range(step, given.count + 1, step):
        first = max(last - step, given.jobs)
        table.add_row(f"{first} to {last}", f"{progress.rate(first, last):.1f}", f"{progress.memory[last - 1]:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
