"""Fans work out to processes: a Dask cluster on this machine, or one that is there already."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed, get_worker

from course import CourseError
from utils.lab import UNATTENDED

Item = TypeVar("Item")
Result = TypeVar("Result")


class NoWorkers(CourseError):
    """A Dask scheduler that was named cannot be used."""


class WorkersLost(CourseError):
    """Worker processes ended again and again at the same items."""


PROGRESS = "course-progress"  # the topic on which workers say how far they are
CONNECT = 20  # seconds within which a scheduler answers
# Dask would look at itself up to a hundred times a second: a twentieth of what a submission costs.
SELDOM = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",
}


@contextmanager
def workers(jobs: int, scheduler: str | None = None) -> Iterator[Client]:
    """A Dask client.

    Processes, one thread each: nbgrader changes directory, which threads would share.

    Args:
        jobs: how many processes to start on this machine.
        scheduler: the address of a running scheduler, such as ``"tcp://host:8786"``, to use instead. Its workers need
            this folder at the same path.
    """
    if scheduler:
        with _connected(scheduler) as client:
            yield client
        return
    address = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    local = {"n_workers": jobs, "threads_per_worker": 1, "processes": True, "memory_limit": 0} | address
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as scratch:
        # Dask would hold its workers, and so a single notebook, at one thread, and leave a folder behind.
        own = dask.config.set({**SELDOM, "distributed.nanny.pre-spawn-environ": {}, "temporary-directory": scratch})
        with own, LocalCluster(**local, silence_logs=logging.CRITICAL) as cluster, Client(cluster) as client:
            yield client


def _connected(scheduler: str) -> Client:
    try:
        client = Client(scheduler, timeout=CONNECT)
        client.wait_for_workers(1, timeout=60)
    except (OSError, ValueError) as error:
        raise NoWorkers(
            f"{scheduler}: no Dask scheduler with a worker answered ({error}). See docs/scaling.md."
        ) from error
    return client


def fan_out(
    client: Client,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    watch: Callable[[dict], None] = lambda event: None,
) -> Iterator[tuple[Item, Result]]:
    """Call a function on every item, and yield each result as it comes.

    Args:
        client: from :func:`workers`.
        function: runs in a worker process; it and its items must pickle.
        items: in the order in which they are begun.
        watch: called with every event that a worker sends with :func:`tell`.

    Raises:
        WorkersLost: when everything else has been yielded: some items' workers ended, and so did those that took over.
    """
    client.subscribe_topic(PROGRESS, lambda event: watch(event[1]))
    futures = {client.submit(function, item, pure=False): item for item in items}
    lost = []
    for future in as_completed(futures):
        try:
            result = future.result()
        except KilledWorker:
            lost.append(futures[future])
        else:
            yield futures[future], result
    if lost:
        raise WorkersLost(
            f"Not done: {', '.join(map(str, lost))}. Every worker process that took them ended: was memory short, or "
            "were they killed? Everything else is done; the same command tries these again."
        )


def prepare_environment(single_thread: bool) -> None:
    """Set up a worker process for the kernels that it starts.

    Args:
        single_thread: one compute thread a kernel.
    """
    os.environ[UNATTENDED] = "1"
    if single_thread:
        os.environ["OMP_NUM_THREADS"] = "1"
    # Dask makes its workers' malloc hand memory back at once, which slows NumPy's temporaries threefold.
    os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)


def tell(**event: object) -> None:
    """Send an event from a worker to the process that waits for it."""
    get_worker().log_event(PROGRESS, event)
