"""Executes solution notebooks with papermill and tabulates every checkpoint against its target."""

from __future__ import annotations

import json
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import papermill
import psutil
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from course import ROOT, files, parallel
from course import notebook as nb
from course.kernel import LocalKernel
from course.syllabus import Notebook
from utils.lab import CHECKPOINT_MIME


@dataclass(frozen=True)
class Execution:
    """One executed notebook."""

    stem: str
    profile: str
    seconds: float  # wall clock, with the kernel's start
    peak_mb: float  # of the kernel and the processes that it started, together
    checkpoints: tuple[dict, ...] = field(default=())
    error: str = ""

    @property
    def passed(self) -> bool:
        return not self.error and bool(self.checkpoints) and all(row["passed"] for row in self.checkpoints)


class TellingEngine(NBClientEngine):
    """papermill's own engine, which also tells how many cells are done."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **options):
        stem, total = options.pop("stem"), sum(cell.cell_type == "code" for cell in nb_man.nb.cells)
        complete, done = nb_man.cell_complete, 0

        def cell_complete(cell, **how):
            nonlocal done
            complete(cell, **how)
            done += cell.cell_type == "code"
            parallel.tell(stem=stem, done=done, total=total)

        nb_man.cell_complete = cell_complete
        return super().execute_managed_notebook(nb_man, kernel_name, kernel_manager_class=LocalKernel, **options)


papermill_engines.register("telling", TellingEngine)


def run(
    entries: tuple[Notebook, ...],
    *,
    profile: str = "cpu",
    seed: int = 0,
    jobs: int = 1,
    scheduler: str | None = None,
    root: Path = ROOT,
    watch: Callable[[dict], None] = lambda event: None,
) -> list[Execution]:
    """Execute solution notebooks.

    Args:
        entries: the notebooks.
        profile, seed: their papermill parameters.
        jobs, scheduler: see :func:`course.parallel.workers`.
        root: the course. Executed notebooks and ``checkpoints-PROFILE.json`` land in its ``build/``.
        watch: called with ``{"stem", "done", "total"}`` as cells finish.

    Returns:
        One execution a notebook, in the order of the syllabus.
    """
    (root / "build").mkdir(exist_ok=True)
    task = partial(execute, profile=profile, seed=seed, root=root)
    with parallel.workers(min(jobs, len(entries)), scheduler) as client:
        found = dict(parallel.fan_out(client, task, entries, watch))
    executions = [found[entry] for entry in entries]
    table = json.dumps([asdict(e) | {"passed": e.passed} for e in executions], indent=1, ensure_ascii=False)
    files.write_text(root / "build" / f"checkpoints-{profile}.json", table + "\n")
    return executions


def execute(entry: Notebook, *, profile: str, seed: int, root: Path) -> Execution:
    """Execute one notebook with papermill; the executed copy is kept in ``build/executed/PROFILE``."""
    source, target = entry.source(root), entry.executed(root, profile)
    target.parent.mkdir(parents=True, exist_ok=True)
    # At cpu, one compute thread: the same numbers whatever the cores, and no waiting for one that is busy elsewhere.
    parallel.prepare_environment(single_thread=profile == "cpu")
    error, began = "", time.perf_counter()
    with PeakMemory() as memory:
        try:
            papermill.execute_notebook(
                source,
                target,
                parameters={"PROFILE": profile, "SEED": seed},
                engine_name="telling",
                kernel_name="python3",
                progress_bar=False,
                cwd=source.parent,
                stem=entry.stem,
            )
        except PapermillExecutionError as failure:
            error = f"{failure.ename} in cell {failure.cell_index}: {failure.evalue}"
        except Exception as failure:  # a kernel that died or could not start: a row of the table, like any other
            error = f"{type(failure).__name__}: {failure}"
    seconds = time.perf_counter() - began
    return Execution(entry.stem, profile, seconds, memory.peak_mb, checkpoints(target), error)


def checkpoints(executed: Path) -> tuple[dict, ...]:
    """The checkpoint rows that an executed notebook holds in its outputs."""
    if not executed.exists():
        return ()
    outputs = (out for cell in nb.read(executed).cells for out in cell.get("outputs", ()))
    return tuple(dict(out.data[CHECKPOINT_MIME]) for out in outputs if CHECKPOINT_MIME in out.get("data", {}))


class PeakMemory:
    """Samples the memory of this process's children; shared pages are counted once where the system can tell (PSS)."""

    def __enter__(self) -> PeakMemory:
        self.peak_mb, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.25):
            self.peak_mb = max(self.peak_mb, sum(map(_megabytes, psutil.Process().children(recursive=True))))


def _megabytes(process: psutil.Process) -> float:
    try:
        memory = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # it ended between the listing and the look
        return 0.0
    return getattr(memory, "pss", memory.rss) / 1e6


def machine() -> str:
    """This machine and the versions that matter, for a recorded checkpoint."""
    import numpy
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    cores = psutil.cpu_count(logical=True)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numpy {numpy.__version__}"
    return f"{platform.machine()}, {cores} cores, {gpu}; {versions}"
