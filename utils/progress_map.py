"""A student's progress as people look at it in a notebook: a map of the course, and a table with every checkpoint."""

from __future__ import annotations

import html
from itertools import groupby
from pathlib import Path

from IPython.display import HTML, display
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from utils import plot
from utils.fetch import ROOT
from utils.lab import measured_and_target, own_folder
from utils.progress import DONE, LATER, MARKS, NEXT, PLANNED, STARTED, Standing, chart, clock

# A box's filling, its edge, and the colour of its words.
COLOURS = {
    DONE: ("#00664b", "#00664b", "white"),
    STARTED: ("#ffd9a8", "#a33d00", "black"),
    NEXT: ("white", "#0072B2", "#0072B2"),
    LATER: ("#e6e6e6", "#e6e6e6", "#4d4d4d"),
    PLANNED: ("white", "#bfbfbf", "#6b6b6b"),
}


def show(folder: Path | None = None, root: Path = ROOT) -> None:
    """Draw the map and the table.

    Args:
        folder: the student's own folder; the usual one where left out.
        root: the course.
    """
    standings = chart(folder or own_folder(), root)
    fig, alt = picture(standings)
    plot.show(fig, alt=alt)
    display(HTML(table(standings)))


def picture(standings: list[Standing]) -> tuple[Figure, str]:
    """The map: a row a phase, a box a notebook; with its alt text."""
    phases = [(name, list(group)) for name, group in groupby(standings, key=lambda standing: standing.phase)]
    fig, axis = plot.figure(height=0.32 * len(phases) + 0.7)
    for row, (name, group) in enumerate(phases):
        axis.text(0, row, name, va="center", fontsize=8)
        for column, standing in enumerate(group):
            _box(axis, 2.8 + column, row, standing.section, standing.state)
    for column, state in enumerate(COLOURS):
        _box(axis, 1.4 * column + 0.1, len(phases) + 0.2, state, state, width=1.25)
    axis.set(xlim=(-0.05, 7.1), ylim=(len(phases) + 0.9, -0.6))
    axis.set_axis_off()
    return fig, _in_words(standings)


def _box(axis, left: float, row: float, words: str, state: str, width: float = 0.9) -> None:
    filling, edge, colour = COLOURS[state]
    style = {"boxstyle": "round,pad=0,rounding_size=0.1", "facecolor": filling, "edgecolor": edge}
    line = "--" if state == PLANNED else "-"
    axis.add_patch(FancyBboxPatch((left, row - 0.38), width, 0.76, linestyle=line, **style))
    text = f"{MARKS[state]} {words}".strip()
    axis.text(left + width / 2, row, text, ha="center", va="center", fontsize=7.5, color=colour)


def _in_words(standings: list[Standing]) -> str:
    sections = {state: [one.section for one in standings if one.state == state] for state in COLOURS}
    said = [f"{state}: {', '.join(sections[state])}" for state in (DONE, STARTED, NEXT) if sections[state]]
    return f"Map of the course, a box for each of its {len(standings)} notebooks. {'; '.join(said)}. The table has all."


def table(standings: list[Standing]) -> str:
    """The map as an HTML table, in the colours of the page that it is on: a line a notebook, checkpoints to unfold."""
    rows = []
    for phase, group in groupby(standings, key=lambda standing: standing.phase):
        rows.append(f'<tr><th colspan="6" scope="colgroup" style="text-align:left">{html.escape(phase)}</th></tr>')
        rows += map(_row, group)
    names = ("week", "notebook", "state", "tests", "checkpoints", "time")
    head = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in names)
    done = sum(standing.state == DONE for standing in standings)
    caption = f"<caption>{done} of {len(standings)} notebooks done</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(standing: Standing) -> str:
    tests = f"{len(standing.passed & standing.tests)} of {len(standing.tests)}" if standing.tests else ""
    lines = "<br>".join(map(_line, standing.checkpoints.values()))
    met = f"{standing.met} of {len(standing.checkpoints)}"
    checkpoints = f"<details><summary>{met}</summary>{lines}</details>" if lines else ""
    cells = (
        standing.when,
        html.escape(f"{standing.section} {standing.title}"),
        f"{MARKS[standing.state]} {standing.state}",
        tests,
        checkpoints,
        clock(standing.seconds) if standing.seconds else "",
    )
    return "<tr>" + "".join(f'<td style="text-align:left;vertical-align:top">{cell}</td>' for cell in cells) + "</tr>"


def _line(row: dict) -> str:
    measured, target = measured_and_target(row)
    return f"{'✓' if row['passed'] else '✗'} {html.escape(row['name'])}: {measured} ({html.escape(target)})"
