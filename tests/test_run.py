"""Solutions are executed whole; every checkpoint is tabulated, and a missed one makes the run fail."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from distributed import LocalCluster

from course import parallel, report, run
from tests import tiny

SLOW_MALLOC = '"MALLOC_TRIM_THRESHOLD_" in __import__("os").environ'


def with_checkpoint(course, code: str) -> None:
    source = tiny.notebook()
    next(cell for cell in source.cells if cell.id == "checkpoint").source = code
    nbformat.write(source, tiny.ENTRY.source(course))


def test_checkpoints_are_tabulated_with_their_targets(course):
    [execution] = run.run((tiny.ENTRY,), root=course)
    assert execution.passed
    assert execution.peak_mb > 10
    [row] = execution.checkpoints
    assert (row["name"], row["value"], row["target"], row["passed"]) == ("speed", 3.0, 2.0, True)
    assert json.loads((course / "build" / "checkpoints-cpu.json").read_text())[0]["passed"] is True


def test_a_missed_checkpoint_fails_the_run_and_stays_in_the_table(course):
    with_checkpoint(course, tiny.CHECKPOINT.replace("3.0", "1.0"))
    [execution] = run.run((tiny.ENTRY,), root=course)
    assert not execution.passed
    assert [row["passed"] for row in execution.checkpoints] == [False]
    assert "CheckpointMissed" in execution.error


def test_a_kernel_that_dies_is_a_row_of_the_table(course):
    with_checkpoint(course, "import os; os._exit(1)")
    [execution] = run.run((tiny.ENTRY,), root=course)
    assert not execution.passed
    assert "died" in execution.error.lower()


def test_the_profile_and_seed_reach_the_notebook(course):
    with_checkpoint(course, tiny.CHECKPOINT.replace("3.0", '3.0 if (PROFILE, SEED) == ("gpu", 7) else 0.0'))
    [execution] = run.run((tiny.ENTRY,), profile="gpu", seed=7, root=course)
    assert execution.passed
    assert execution.checkpoints[0]["profile"] == "gpu"


def test_events_tell_how_far_a_run_is(course):
    events = []
    run.run((tiny.ENTRY,), root=course, watch=events.append)
    assert events[-1]["done"] == events[-1]["total"]


def test_a_recorded_page_keeps_other_notebooks_rows_and_each_notebooks_order(course, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Measured\n\n{report.RECORD_HEAD}")
    rows = [dict(name="speed", value=v, sign="≥", target=2.0, unit="×", passed=True) for v in (3.0, 4.0)]
    first = [run.Execution(stem, "cpu", 1.0, 50.0, (rows[0],)) for stem in ("week01_a", "week02_b")]
    report.record(first, page)
    control = rows[1] | {"name": "control"}
    report.record([run.Execution("week02_b", "cpu", 1.0, 50.0, (rows[1], control))], page)
    text = page.read_text()
    measured = [line.rsplit("|", 6)[0] for line in text.splitlines() if line.startswith("| week")]
    assert measured == ["| week01_a | speed | 3 × ", "| week02_b | speed | 4 × ", "| week02_b | control | 4 × "]
    assert text.startswith("# Measured")


def test_a_planted_miss_makes_the_command_exit_with_one(course):
    """`course run`, on a copy of the course whose only notebook misses its checkpoint."""
    with_checkpoint(course, tiny.CHECKPOINT.replace("3.0", "1.0"))
    tiny.as_real_course(course)
    command = [sys.executable, "-m", "course", "run", "1"]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True, env=tiny.environment(course))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "✗" in done.stdout


def test_a_foreign_utils_does_no_harm_under_papermill(course, foreign_utils):
    [execution] = run.run((tiny.ENTRY,), root=course)
    assert execution.passed, execution.error


def test_an_interrupted_run_leaves_no_kernel(course):
    """Ctrl-C in the middle of a cell: the command ends with 130, and its kernel with it."""
    with_checkpoint(course, "import time\nopen('started', 'w').close()\ntime.sleep(600)")
    tiny.as_real_course(course)
    pids = tiny.interrupt(course, ["run", "1"], when=tiny.ENTRY.source(course).parent / "started")
    assert (pids.code, "Nothing is broken" in pids.said) == (130, True), pids.said
    assert pids.left == []


def test_a_scheduler_that_is_not_there_is_named(course, monkeypatch):
    monkeypatch.setattr(parallel, "CONNECT", 2)
    with pytest.raises(parallel.NoWorkers, match=r"127\.0\.0\.1:9"):
        run.run((tiny.ENTRY,), root=course, scheduler="tcp://127.0.0.1:9")


def test_a_scheduler_that_is_there_is_used(course):
    with_checkpoint(course, tiny.CHECKPOINT.replace("3.0, at_least=2.0", f"{SLOW_MALLOC}, at_most=0"))
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        [execution] = run.run((tiny.ENTRY,), root=course, scheduler=cluster.scheduler_address)
    assert execution.passed


@pytest.mark.parametrize(("profile", "threads"), [("cpu", "1"), ("gpu", None)])
def test_a_kernel_gets_one_thread_at_cpu_and_else_the_machines_own_settings(course, monkeypatch, profile, threads):
    """Dask sets one thread for its workers, and a malloc that hands memory back at once: notebooks would be slow."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    changed = f'__import__("os").environ.get("OMP_NUM_THREADS") != {threads!r}'
    with_checkpoint(course, tiny.CHECKPOINT.replace("3.0, at_least=2.0", f"{changed} or {SLOW_MALLOC}, at_most=0"))
    [execution] = run.run((tiny.ENTRY,), profile=profile, root=course)
    assert execution.passed, execution.error


def test_a_kernels_socket_files_are_removed(course, monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        run.run((tiny.ENTRY,), root=course)
        assert list(Path(folder).glob("kernel-*")) == []
