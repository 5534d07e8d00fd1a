"""`make bench`: what the machinery costs, as ratios against a peer in the same run; also in build/bench.json."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nbgrader.converters import GenerateAssignment
from rich.console import Console
from rich.table import Table

from course import ROOT, answers, gradebook, release, run, syllabus
from course.desk import GRADING, Desk
from tests import bench_grading, bench_nn, bench_stages, tiny

FIRST = syllabus.load().notebooks[0]


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of ours, seconds of the peer's."""

    what: str
    ours: float
    peer: str
    peers: float

    @property
    def ratio(self) -> float:
        return self.ours / self.peers


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def copies(root: Path, count: int = 41) -> tuple[syllabus.Notebook, ...]:
    """A course of many copies of week 1, one a week."""
    tiny.course(root)
    shutil.rmtree(root / "solutions")
    entries = tuple(replace(FIRST, stem=f"week{i:02}_copy", weeks=(i, i)) for i in range(1, count + 1))
    for entry in entries:
        entry.source(root).parent.mkdir(parents=True)
        shutil.copy(FIRST.source(), entry.source(root))
    return entries


def stock_release(root: Path, into: Path) -> None:
    """nbgrader's own steps, without ours."""
    config = gradebook.config(Desk(root / GRADING, root))
    config.CourseDirectory.release_directory, config.CourseDirectory.assignment_id = str(into), "week*"
    config.GenerateAssignment.preprocessors = GenerateAssignment.preprocessors.default()
    config.GenerateAssignment.no_database, config.SaveCells.enabled = True, False
    gradebook.convert(GenerateAssignment, config, RuntimeError)


def bench_release() -> Row:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        entries = copies(root)
        ours = seconds(lambda: release.release(entries, root))
        first = {path: path.read_bytes() for path in (root / "notebooks").rglob("*.ipynb")}
        shutil.rmtree(root / "notebooks")
        release.release(entries, root)
        assert {path: path.read_bytes() for path in (root / "notebooks").rglob("*.ipynb")} == first
        assert len(first) == len(entries)
        stock = seconds(lambda: stock_release(root, root / "stock"))
    return Row(
        f"release of {len(entries)} copies of week 1, with proofs, twice the same", ours, "nbgrader alone", stock
    )


def bench_run() -> Row:
    with tempfile.TemporaryDirectory() as folder:
        root = tiny.course(Path(folder))
        source = tiny.ENTRY.source(root)
        command = [sys.executable, "-m", "papermill", "-k", "python3", "--no-progress-bar", source.name, "out.ipynb"]
        ours = seconds(lambda: run.run((tiny.ENTRY,), root=root))
        stock = seconds(lambda: subprocess.run(command, cwd=source.parent, check=True, capture_output=True))
    return Row("run of a tiny notebook, with its cluster", ours, "papermill's command", stock)


def bench_answers() -> Row:
    tried = []
    ours = seconds(lambda: tried.extend(answers.try_all((FIRST,))))
    [(_, verdicts)] = tried
    session = seconds(lambda: answers.unanswered(FIRST))
    return Row(f"trying {len(verdicts)} answers", ours, "running the notebook's graded cells once", session)


def main() -> None:
    """Run every comparison and show it."""
    (ROOT / "build").mkdir(exist_ok=True)
    table = Table("what", "ours", "peer", "peer's", "ratio", title="Cost of the machinery")
    rows = []
    for bench in (bench_release, bench_run, bench_answers):
        row = bench()
        rows.append(asdict(row) | {"ratio": row.ratio})
        table.add_row(row.what, f"{row.ours:.2f} s", row.peer, f"{row.peers:.2f} s", f"{row.ratio:.2f}")
    Console().print(table)
    rows += bench_nn.show() + bench_grading.show() + bench_stages.show(bench_grading.torch_weeks()[1])
    (ROOT / "build" / "bench.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
