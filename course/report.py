"""Tables that people read: the syllabus, checkpoints against targets, grades with reasons, verdicts on answers."""

from __future__ import annotations

import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from course import ROOT, files
from course.answers import Verdict
from course.rehearsal import Rehearsed
from course.results import Grade
from course.run import Execution, machine
from course.syllabus import Notebook, Syllabus
from utils.lab import measured_and_target
from utils.progress import DONE, MARKS, NEXT, PLANNED, Standing, clock

RECORD_HEAD = (
    "| notebook | checkpoint | measured | target | seconds | MB | machine | date |\n|---|---|---|---|---|---|---|---|\n"
)


def syllabus_table(syllabus: Syllabus, root: Path = ROOT) -> Table:
    """All phases and notebooks; what is not written is shown as planned."""
    table = Table("week", "notebook", "section", "build-along", "hours", "state", title="Unified AI Curriculum")
    for phase in syllabus.phases:
        table.add_section()
        for entry in phase.notebooks:
            state = "[green]there[/]" if entry.is_written(root) else "[dim]planned[/]"
            table.add_row(entry.when, entry.stem, entry.section, entry.build, str(entry.hours), state)
    return table


def checkpoint_table(executions: list[Execution]) -> Table:
    """Each notebook's wall time and peak memory, and one row a checkpoint; a row for one that stopped before them."""
    table = Table("", "measured", "target", "", title="Checkpoints")
    for execution in executions:
        table.add_section()
        cost = (f"{execution.seconds:.0f} s wall", f"{execution.peak_mb:.0f} MB peak")
        table.add_row(f"[bold]{execution.stem}[/], {execution.profile}", *cost, _mark(execution.passed))
        for row in execution.checkpoints:
            table.add_row(f"  {row['name']}", *measured_and_target(row), _mark(row["passed"]))
        if execution.error and all(row["passed"] for row in execution.checkpoints):
            table.add_row(f"  [red]{escape(execution.error)}[/]", "", "", _mark(False))
    return table


def progress_table(standings: list[Standing]) -> Table:
    """The map of the weeks: one row a notebook."""
    done = sum(standing.state == DONE for standing in standings)
    table = Table("", "week", "notebook", "state", "tests", "checkpoints", "time", title="Your forty weeks")
    for before, standing in zip([None, *standings], standings, strict=False):
        if before and before.phase != standing.phase:
            table.add_section()
        tests = f"{len(standing.passed & standing.tests)} of {len(standing.tests)}" if standing.tests else ""
        met = f"{standing.met} of {len(standing.checkpoints)}" if standing.checkpoints else ""
        spent = clock(standing.seconds) if standing.seconds else ""
        style = {DONE: "green", NEXT: "bold", PLANNED: "dim"}.get(standing.state)
        cells = (MARKS[standing.state], standing.when, standing.stem, standing.state, tests, met, spent)
        table.add_row(*cells, style=style)
    table.caption = f"{done} of {len(standings)} notebooks done"
    return table


def measured_table(standing: Standing) -> Table:
    """What a student measured in a notebook last."""
    table = Table("", "measured", "target", "", title=standing.stem)
    for row in standing.checkpoints.values():
        table.add_row(row["name"], *measured_and_target(row), _mark(row["passed"]))
    return table


def grade_table(grades: list[Grade]) -> Table:
    """One row a student: score, what waits for a person, and the reason."""
    table = Table("student", "score", "waits", "reason", title="Gradebook", show_lines=True)
    for g in grades:
        repairs = f"\n[yellow]repaired: {escape('; '.join(g.repairs))}[/]" if g.repairs else ""
        flags = "".join(f"\n[red]flagged: {escape(f'{f.cell}: {f.what}: {f.evidence}')}[/]" for f in g.flags)
        waiting = f"{g.waiting:g}" if g.waiting else ""
        table.add_row(g.student, f"{g.score:g} / {g.max_score:g}", waiting, escape(g.reason) + repairs + flags)
    return table


def answers_table(entry: Notebook, verdicts: list[Verdict], rehearsed: list[Rehearsed]) -> Table:
    """For each exercise how many wrong answers each part of its grader caught, and how many right ones it accepted."""
    table = Table("exercise", "wrong", "visible", "hidden", "right", "accepted", "when graded", title=entry.stem)
    for name in dict.fromkeys(v.answer.exercise for v in verdicts):
        own = [v for v in verdicts if v.answer.exercise == name]
        wrong, right = ([v for v in own if v.answer.kind == kind] for kind in ("wrong", "right"))
        caught = [sum(v.caught_by == part and not v.problem for v in wrong) for part in ("visible", "hidden")]
        accepted = sum(not v.problem for v in right)
        graded = [r for r in rehearsed if r.answer.exercise == name]
        as_proved = f"{sum(not r.problem for r in graded)} of {len(graded)}"
        table.add_row(name, *map(str, (len(wrong), *caught, len(right), accepted)), as_proved)
    return table


def misses(verdicts: list[Verdict], rehearsed: list[Rehearsed]) -> list[str]:
    """Every answer that did not get what it deserves, by name."""
    return [
        f"{x.answer.exercise}, {x.answer.kind}: {x.answer.about}: {x.problem}"
        for x in (*verdicts, *rehearsed)
        if x.problem
    ]


def record(executions: list[Execution], path: Path) -> None:
    """Update a page of recorded checkpoints; the rows of notebooks that were not run stay as they are."""
    run = {execution.stem for execution in executions}
    head, rows = path.read_text(encoding="utf-8").split(RECORD_HEAD)
    kept = [row for row in rows.splitlines() if row and row.split("|")[1].strip() not in run]
    where, today = machine(), datetime.date.today().isoformat()
    for e in executions:
        for row in e.checkpoints:
            cells = (
                e.stem,
                row["name"],
                *measured_and_target(row),
                f"{e.seconds:.0f}",
                f"{e.peak_mb:.0f}",
                where,
                today,
            )
            kept.append(f"| {' | '.join(cells)} |")
    files.write_text(path, head + RECORD_HEAD + "\n".join(sorted(kept, key=lambda row: row.split("|")[1])) + "\n")


def show(*tables: Table) -> None:
    console = Console()
    for table in tables:
        console.print(table)


def _mark(passed: bool) -> str:
    return "[green]✓[/]" if passed else "[red]✗[/]"
