"""Where the processor time of a submission goes, ours and stock nbgrader's; part of `make bench`.

Submissions are run in this process, one after the other, so that each second can be told to a stage. What Dask adds is
the difference to what `tests.bench_grading` measures.
"""

from __future__ import annotations

import functools
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

from nbclient import NotebookClient
from nbgrader.converters import Autograde
from nbgrader.preprocessors import OverwriteCells, SaveAutoGrades
from rich.console import Console
from rich.table import Table

from course import execute, grade, gradebook, submission
from course import notebook as nb
from course.syllabus import Notebook
from tests import bench_grading

START, SETUP, CELLS, TRAPS = "kernel: start", "kernel: setup cell with imports", "kernel: other cells", "kernel: traps"
END, SANDBOX = "kernel: end", "sandbox and fork"
TALK, BOOK, REST = "grader: messages with the kernel", "grader: gradebook", "grader: repair, conversion, files"
STAGES = (START, SETUP, CELLS, TRAPS, END, SANDBOX, TALK, BOOK, REST)
FEW = 2  # the first submissions pay what is paid once


def ours(entry: Notebook, count: int = 10) -> Counter:
    """Seconds of processor time of one submission, by stage, in our grading."""
    with bench_grading.of_right_answers(entry, FEW + count) as desk:
        grade.prepare(desk, entry.assignment)
        with gradebook.Book(gradebook.settings(desk, entry.assignment)) as book:

            def run(first: int, last: int) -> None:
                for student in desk.students(entry.assignment)[first:last]:
                    result = submission.examine(desk, entry.assignment, submission.SANDBOXED, student)
                    book.enter(entry.assignment, result)

            return _spent(run, FEW + count, (gradebook.Book, "enter"))


def stock(entry: Notebook, count: int = 4) -> Counter:
    """The same in stock nbgrader's: all submissions in one process, experiments skipped."""
    with bench_grading.for_stock(entry, FEW + count) as config:

        def run(first: int, last: int) -> None:
            for number in range(first, last):
                config.CourseDirectory.student_id = bench_grading.NAME.format(number)
                gradebook.convert(Autograde, config, RuntimeError)

        methods = (SaveAutoGrades, "preprocess"), (OverwriteCells, "preprocess"), (Autograde, "init_assignment")
        return _spent(run, FEW + count, *methods)


def _spent(run: Callable[[int, int], None], count: int, *of_gradebook: tuple[type, str]) -> Counter:
    run(0, FEW)
    with _told_apart(of_gradebook) as spent:
        all_of_it, own, children = bench_grading.busy(), time.process_time(), _children()
        run(FEW, count)
        all_of_it, own, children = bench_grading.busy() - all_of_it, time.process_time() - own, _children() - children
    kernels = sum(spent[stage] for stage in (START, SETUP, CELLS, TRAPS))
    spent[REST] = own - spent[TALK] - spent[BOOK]
    if children > kernels:  # stock's kernels are children of this process, ours of the fork server
        spent[END] = children - kernels
    else:
        spent[SANDBOX] = all_of_it - own - kernels
    return Counter({stage: spent[stage] / (count - FEW) for stage in STAGES})


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _told_apart(of_gradebook: tuple[tuple[type, str], ...]) -> Iterator[Counter]:
    """Sort by stage what a cell costs in its kernel and here, and what the gradebook costs."""
    spent, execute_cell, seen = Counter(), NotebookClient.execute_cell, set()

    def cell_watched(client: NotebookClient, cell, *rest, **options):
        pid, own = client.km.provisioner.pid, time.process_time()
        before = _of_kernel(pid)
        spent[START] += 0 if pid in seen else before
        seen.add(pid)
        try:
            return execute_cell(client, cell, *rest, **options)
        finally:
            stage = TRAPS if cell.id == execute.TRAP else SETUP if nb.SETUP in nb.tags(cell) else CELLS
            spent[stage] += _of_kernel(pid) - before
            spent[TALK] += time.process_time() - own

    def watched(method: Callable) -> Callable:
        @functools.wraps(method)
        def call(*arguments, **options):
            own = time.process_time()
            try:
                return method(*arguments, **options)
            finally:
                spent[BOOK] += time.process_time() - own

        return call

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(NotebookClient, "execute_cell", cell_watched))
        for owner, name in of_gradebook:
            patches.enter_context(mock.patch.object(owner, name, watched(getattr(owner, name))))
        yield spent


def _of_kernel(pid: int) -> float:
    """Seconds of processor time of a process until now, in nanoseconds' steps; /proc/PID/stat has hundredths."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def show(entry: Notebook) -> list[dict]:
    """The stages of a week side by side, as a table; returned as rows for build/bench.json."""
    table = Table("stage", "ours", "stock nbgrader", title=f"CPU-s a submission of {entry.stem}, by stage")
    columns = ours(entry), stock(entry)
    for stage in STAGES:
        table.add_row(stage, *(f"{column[stage]:.3f}" for column in columns))
    table.add_row("sum", *(f"{column.total():.3f}" for column in columns))
    Console().print(table)
    return [{"stage": stage, "ours": columns[0][stage], "stock": columns[1][stage]} for stage in STAGES]
