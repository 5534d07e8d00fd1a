"""The `course` command. Each verb shows progress and ends with an exit code that scripts can trust."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from course import (
    ROOT,
    CourseError,
    answers,
    check,
    database,
    doctor,
    files,
    handback,
    rehearsal,
    report,
    sandbox,
    syllabus,
    work,
)
from course import grade as grading
from course import publish as publishing
from course import readme as readme_page
from course import release as releasing
from course import run as running
from course import unpack as unpacking
from course import update as updating
from course import validate as validating
from course.desk import GRADING, Desk
from course.submission import Conditions
from course.syllabus import Notebook
from utils.lab import own_folder
from utils.progress import NEXT, chart

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
out = Console()

Week = Annotated[str | None, typer.Argument(help="1, week01 or a notebook's name; all where left out")]
Class = Annotated[Path, typer.Option(help="the class: a folder with submitted/STUDENT/weekNN")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="processes at once")]
Scheduler = Annotated[str | None, typer.Option(help="address of a Dask scheduler to use instead, tcp://host:8786")]

INTERRUPTED = 130  # Typer's exit code for Ctrl-C, as in a shell


def main() -> None:
    """Run the command; what a person can mend is said in one message, without a traceback, and ends with code 2."""
    try:
        app()
    except CourseError as error:
        Console(stderr=True).print(f"[red]✗[/] {escape(str(error))}", highlight=False)
        raise SystemExit(2) from None
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            Console(stderr=True).print("\nStopped. Nothing is broken: type the same command to go on.")
        raise


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="only what is written, for scripts")] = False,
) -> None:
    """Show the syllabus: what is there and what is planned."""
    if as_json:
        written = [entry for entry in syllabus.load().notebooks if entry.is_written()]
        typer.echo(json.dumps([{"week": entry.weeks[0], "stem": entry.stem} for entry in written]))
        return
    report.show(report.syllabus_table(syllabus.load()))


@app.command("open")
def open_(week: Week = None) -> None:
    """Copy a released week into work/, once; into a copy that is there, bring what a newer release changed.

    No cell in which you wrote something is touched, and the copy as it was is kept.
    """
    for entry, new in _open(week):
        if not new and updating.is_newer(entry):
            _show_update(entry, updating.update(entry))
        else:
            out.print(f"{'copied to' if new else 'yours, untouched:'} {_shown(work.copy_of(entry))}", highlight=False)


@app.command()
def lab(week: Week = None) -> None:
    """Open JupyterLab on work/, with nbgrader's buttons."""
    for entry, new in _open(None):
        if new:
            out.print(f"copied to {_shown(work.copy_of(entry))}", highlight=False)
        elif updating.is_newer(entry):
            out.print(f"{entry.stem} has a newer release. To take it over:  course open {entry.stem}")
    chosen = [work.copy_of(entry) for entry, _ in _open(week)] if week else []
    work.lab(chosen[0] if chosen else None)


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(help="your notebook, such as work/week07/week07_nanogpt.ipynb")],
) -> None:
    """Run the tests of your notebook, as the Validate button does, and say what fails; code 1 when something does."""
    with _bar() as bar:
        task = bar.add_task(f"Running {path.stem}", total=None)
        validation = validating.validate(path, done=lambda done, total: bar.update(task, completed=done, total=total))
    validating.show(validation, out)
    raise typer.Exit(int(not validation.passed))


@app.command()
def progress(week: Week = None) -> None:
    """Show how far you are: tests passed, checkpoints against their targets, time, and what comes next."""
    folder = own_folder()
    standings = chart(folder)
    wanted = {entry.stem for entry in syllabus.load().select(week)} if week else set()
    out.print(report.progress_table(standings))
    for one in standings:
        if one.checkpoints and (one.stem in wanted or not week):
            out.print(report.measured_table(one))
    coming = [one.stem for one in standings if one.state == NEXT]
    out.print(f"Next: {', '.join(coming) or 'what is in progress'}. This is kept in {folder}, and nowhere else.")


@app.command()
def release(
    week: Week = None,
    overwrite_edits: Annotated[bool, typer.Option(help="replace files in notebooks/ that were edited by hand")] = False,
) -> None:
    """Strip solutions/ into notebooks/, with the proof that nothing leaks; update README's syllabus table."""
    _needs_instructor_tree("release")
    with out.status("Stripping solutions"):
        done = releasing.release(_written(week), overwrite_edits=overwrite_edits)
        readme_page.update()
    out.print(f"[green]✓[/] notebooks/: {len(done.written)} files written, {len(done.unchanged)} unchanged")


@app.command()
def run(
    week: Week = None,
    profile: Annotated[str, typer.Option(help="cpu or gpu")] = "cpu",
    seed: int = 0,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    record: Annotated[bool, typer.Option(help="update docs/checkpoints-PROFILE.md")] = False,
) -> None:
    """Execute solutions with papermill and table every checkpoint; code 1 when one is missed or a notebook fails."""
    _needs_instructor_tree("run")
    executions = _run(_written(week), profile=profile, seed=seed, jobs=jobs, scheduler=scheduler)
    if record:
        report.record(executions, ROOT / "docs" / f"checkpoints-{profile}.md")
    if not all(execution.passed for execution in executions):
        raise typer.Exit(1)


@app.command()
def collect(
    archive: Annotated[Path, typer.Argument(help="a zip file from Moodle, Canvas, Blackboard, or a folder a student")],
    week: Annotated[str | None, typer.Argument(help="the week, such as 1; where left out, the notebooks tell")] = None,
    folder: Class = ROOT / GRADING,
    update: Annotated[bool, typer.Option("--update", help="take newer work; older is moved to superseded/")] = False,
) -> None:
    """Bring a class's submissions out of a learning platform's zip file; code 1 when some could not be taken."""
    _needs_instructor_tree("collect")
    assignment = syllabus.load().select(week)[0].assignment if week else unpacking.week_of(archive)
    with _bar() as bar:
        task = bar.add_task(f"Collecting {assignment}", total=unpacking.students_in(archive, assignment))
        options = {"update": update, "done": lambda: bar.advance(task)}
        got = unpacking.unpack(archive, _desk(folder), assignment, **options)
    for name, reason in got.refused:
        out.print(f"[red]✗[/] {escape(name)}: {escape(reason)}", highlight=False)
    if got.different:
        out.print(
            f"[yellow]There already with other work, and left (or --update):[/] {escape(', '.join(got.different))}"
        )
    out.print(
        f"{len(got.new)} new, {len(got.updated)} updated, {len(got.same)} were there, {len(got.refused)} files refused"
    )
    raise typer.Exit(int(bool(got.refused or got.different)))


@app.command()
def grade(
    week: Annotated[str, typer.Argument(help="the week, such as 1")],
    folder: Class = ROOT / GRADING,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    timeout: Annotated[int, typer.Option(help="seconds that one cell may run")] = 60,
    student: Annotated[list[str] | None, typer.Option(help="grade this one again, and nobody else")] = None,
    exercise: Annotated[str, typer.Option(help="grade this one again, and keep all other marks")] = "",
    full: Annotated[bool, typer.Option("--full", help="run the experiments, too")] = False,
    unsafe: Annotated[bool, typer.Option("--unsafe-no-sandbox", help="run submissions with your own rights")] = False,
) -> None:
    """Grade a class: every submission ends with a score and a reason. What was graded and has not changed is kept."""
    _needs_instructor_tree("grade")
    assignment = syllabus.load().select(week)[0].assignment
    isolation = None if unsafe else sandbox.Bubblewrap()
    conditions = Conditions(isolation, timeout=timeout, full=full)
    options = {"jobs": jobs, "scheduler": scheduler, "students": tuple(student or ()), "exercise": exercise}
    _grade(_desk(folder), assignment, conditions=conditions, **options)


@app.command("report")
def report_(
    week: Annotated[str, typer.Argument(help="the week, such as 1")],
    folder: Class = ROOT / GRADING,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
) -> None:
    """Write a week's report, CSV and changed feedback again, with the points and comments that a person gave since."""
    _needs_instructor_tree("report")
    desk, assignment = _desk(folder), syllabus.load().select(week)[0].assignment
    with out.status("Writing"):
        done = handback.report(desk, assignment, jobs=jobs, scheduler=scheduler)
    _show_written(desk, assignment)
    out.print(f"Feedback pages that have changed: {len(done.rewritten)} of {len(done.grades)}")


@app.command()
def formgrader() -> None:
    """Open nbgrader's formgrader, where a person grades written answers; ends with Ctrl-C."""
    _needs_instructor_tree("formgrader")
    work.formgrader()


@app.command("answers")
def answers_(week: Week = None, jobs: Jobs = 1) -> None:
    """Try right, wrong and no answers on the graders, alone and as a class; code 1 when one gets what it should not."""
    _needs_instructor_tree("answers")
    entries, problems = _written(week), []
    released = tuple(entry for entry in entries if entry.released().exists())
    conditions = Conditions(_isolation_of_own_answers())
    with _bar() as bar:
        task = bar.add_task("Trying answers", total=2 * len(entries) + len(released))
        for entry, verdicts in answers.try_all(entries, jobs):
            bar.advance(task)
            rehearsed = rehearsal.rehearse(entry, conditions, jobs) if entry in released else []
            bar.advance(task)
            report.show(report.answers_table(entry, verdicts, rehearsed))
            out.print(_summary(verdicts))
            problems += [f"{entry.stem}: {miss}" for miss in report.misses(verdicts, rehearsed)]
        for entry, found in answers.unanswered_all(released, jobs):
            bar.advance(task)
            problems += [f"{entry.stem}, unanswered: {problem}" for problem in found]
    for problem in problems:
        out.print(f"[red]✗[/] {escape(problem)}", highlight=False)
    out.print(f"{len(entries)} notebooks, {len(problems)} problems")
    raise typer.Exit(int(bool(problems)))


@app.command("check")
def check_(week: Week = None) -> None:
    """Check notebooks, their answers and their releases against the rules; code 1 when there is a problem."""
    _needs_instructor_tree("check")
    entries = _written(week)
    problems = [f"{entry.stem}: {problem}" for entry in entries for problem in check.problems(entry)]
    for problem in problems:
        out.print(f"[red]✗[/] {escape(problem)}", highlight=False)
    out.print(f"{len(entries)} notebooks, {len(problems)} problems")
    raise typer.Exit(int(bool(problems)))


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="an empty folder")],
    last_week: Annotated[int | None, typer.Option(help="the last week that students get; all where left out")] = None,
) -> None:
    """Build the student's tree: no solutions, no tests, no instructors' pages."""
    _needs_instructor_tree("publish")
    published = publishing.publish(folder.resolve(), last_week)
    out.print(f"[green]✓[/] {len(published)} files in {folder}")


@app.command()
def site() -> None:
    """Build the website in build/site; what has changed since it was executed is executed first."""
    _needs_instructor_tree("site")
    from course import site as website  # Sphinx, which only contributors install

    if lacking := website.missing():
        _run(tuple(lacking), profile="cpu", seed=0, jobs=1, scheduler=None)
    with out.status("Building the website"):
        built = website.build(ROOT / "build" / "site")
    for warning in built.warnings:
        out.print(f"[yellow]{escape(warning)}[/]", highlight=False)
    out.print(f"[green]✓[/] {built.pages} pages. Open {_shown(built.index)}")


@app.command("doctor")
def doctor_() -> None:
    """Say what is missing on this machine and how to get it; code 1 when something is."""
    with out.status("Looking at this machine"):
        findings = doctor.examine()
    for f in findings:
        mark = "[green]✓[/]" if f.ok else "[yellow]–[/]" if f.optional else "[red]✗[/]"
        remedy = "" if f.ok else f"  →  {f.remedy}"
        out.print(f"{mark} {f.name}: {f.found}{remedy}", highlight=False)
    raise typer.Exit(int(any(not f.ok and not f.optional for f in findings)))


@app.command()
def start() -> None:
    """The first command: from source notebook to graded class; in a student's tree, open week 1."""
    first = syllabus.load().notebooks[0]
    if not _is_instructor_tree():
        lab(first.stem)
    release(None)
    executions = _run((first,), profile="cpu", seed=0, jobs=1, scheduler=None)
    desk = _sample_desk(first.assignment)
    _grade(desk, first.assignment, jobs=2, conditions=Conditions(_isolation_of_own_answers(), timeout=15))
    out.print(
        "\nThe course stands. What to type next:\n"
        "  make lab              take a week yourself, in work/\n"
        "  make run WEEK=1       execute a solution again\n"
        "  make grade WEEK=1     grade a class of your own, from .grading/submitted (docs/instructors.md)\n"
        "  make help             everything else"
    )
    if not all(execution.passed for execution in executions):
        raise typer.Exit(1)


def _isolation_of_own_answers() -> sandbox.Bubblewrap | None:
    """A sandbox where there is one: the course's own answers and sample class may do without."""
    try:
        sandbox.Bubblewrap().check()
    except sandbox.NoSandbox:
        out.print(
            "[yellow]No sandbox here: the course's own answers run without. A class will need one (course doctor).[/]"
        )
        return None
    return sandbox.Bubblewrap()


def _is_instructor_tree() -> bool:
    return (ROOT / "solutions").is_dir()


def _needs_instructor_tree(verb: str) -> None:
    if not _is_instructor_tree():
        raise releasing.ReleaseRefused(f"`course {verb}` needs solutions/, which a student's tree does not have.")


def _written(week: str | None) -> tuple[Notebook, ...]:
    entries = tuple(entry for entry in syllabus.load().select(week) if entry.source().exists())
    if not entries:
        raise syllabus.UnknownNotebook(f"'{week}' is planned; there is no solution notebook yet. See `course list`.")
    return entries


def _open(week: str | None) -> list[tuple[Notebook, bool]]:
    opened = work.open_week(syllabus.load().select(week))
    if week and not opened:
        raise syllabus.UnknownNotebook(f"'{week}' is not released yet. See `course list`.")
    return opened


def _show_update(entry: Notebook, update: updating.Update) -> None:
    out.print(f"{_shown(work.copy_of(entry))} is up to date with its newer release:", highlight=False)
    said = {"new": update.added, "changed": update.changed, "no longer there": update.removed}
    said["changed by you and by the course, yours is left"] = update.kept
    for what, cells in said.items():
        if cells:
            out.print(f"  {what}: {escape(', '.join(cells))}", highlight=False)
    if update.before:
        out.print(f"  as it was before: {_shown(update.before)}", highlight=False)


def _run(entries: tuple[Notebook, ...], **options) -> list[running.Execution]:
    with _bar() as bar:
        tasks = {entry.stem: bar.add_task(f"Executing {entry.stem}", total=None) for entry in entries}

        def watch(event: dict) -> None:
            bar.update(tasks[event["stem"]], completed=event["done"], total=event["total"])

        executions = running.run(entries, watch=watch, **options)
    report.show(report.checkpoint_table(executions))
    return executions


def _grade(desk: Desk, assignment: str, *, conditions: Conditions, **options) -> None:
    if conditions.isolation is None:
        out.print("[yellow]Without a sandbox: submissions run with your rights.[/]")
    with _bar(TimeRemainingColumn(elapsed_when_finished=True), TextColumn("{task.fields[rate]}")) as bar:
        task = bar.add_task(f"Grading {assignment}", total=len(desk.students(assignment)), rate="")

        def done(student: str) -> None:
            bar.advance(task)
            bar.update(task, rate=f"{60 * (bar.tasks[0].speed or 0):.0f} a minute")

        with files.room_on_disk(desk.folder):
            grades = grading.grade(desk, assignment, conditions=conditions, done=done, **options)
    report.show(report.grade_table(grades))
    _show_written(desk, assignment)


def _show_written(desk: Desk, assignment: str) -> None:
    report, grades, feedback = desk.page(assignment), desk.table(assignment), desk.folder / "feedback"
    out.print(f"Report: {_shown(report)}   Grades: {_shown(grades)}   Feedback: {_shown(feedback)}", soft_wrap=True)


def _desk(folder: Path) -> Desk:
    return Desk(folder.resolve(), database=database.named())


def _sample_desk(assignment: str) -> Desk:
    """A fresh class: the course's own sample submissions, graded apart from any real class."""
    folder = ROOT / "build" / "sample_class"
    shutil.rmtree(folder, ignore_errors=True)
    samples = ROOT / "tests" / "sample_class"
    for student in sorted(path for path in samples.iterdir() if (path / assignment).is_dir()):
        shutil.copytree(student, folder / "submitted" / student.name)
    return Desk(folder)


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _summary(verdicts: list[answers.Verdict]) -> str:
    wrong, right = ([v for v in verdicts if v.answer.kind == kind] for kind in ("wrong", "right"))
    caught = {part: sum(v.caught_by == part and not v.problem for v in wrong) for part in ("visible", "hidden")}
    accepted = sum(not v.problem for v in right)
    return (
        f"{sum(caught.values())} of {len(wrong)} wrong answers rejected ({caught['visible']} by the visible part, "
        f"{caught['hidden']} by the hidden part), {accepted} of {len(right)} right ones accepted"
    )


def _bar(*more: ProgressColumn) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), *more)
    return Progress(*columns, console=out, refresh_per_second=4)
