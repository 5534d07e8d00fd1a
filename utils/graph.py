"""Draws a computational graph: boxes in columns, inputs on the left, the result on the right."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from utils import plot

WIDTH, HEIGHT = 0.66, 0.78  # of a box; columns and rows are one unit apart
SWEEPS = 12  # over all columns, to untangle the edges; graphs of some twenty boxes settle within these


@dataclass(frozen=True)
class Node:
    """A box.

    Attributes:
        key: what edges name it by.
        title: its first line, bold.
        text: the lines below.
        colour: of its inside.
    """

    key: Hashable
    title: str
    text: str = ""
    colour: str = "#ffffff"


@dataclass(frozen=True)
class Edge:
    """An arrow from one box to another, by their keys, and what is written beside its head."""

    source: Hashable
    target: Hashable
    label: str = ""


def draw(nodes: list[Node], edges: list[Edge], title: str) -> Figure:
    """Draw a directed graph without cycles; readable up to some twenty boxes.

    Args:
        nodes: the boxes; one of them is the result, which every path of arrows ends in.
        edges: the arrows; two from one box to another are two arrows.
        title: of the figure.

    Returns:
        The figure, for ``plot.show``.
    """
    place, routes = _layout([node.key for node in nodes], edges)
    across = 1 + max(x for x, _ in place.values())
    low, high = (pick(y for _, y in place.values()) for pick in (min, max))
    fig, axis = plot.figure(height=0.62 * (high - low + 1) + 0.35)
    for edge, path in zip(edges, _paths(edges, routes, place), strict=True):
        _arrow(axis, path, edge.label)
    for node in nodes:
        _box(axis, node, *place[node.key])
    axis.set(xlim=(-0.45, across - 0.55), ylim=(high + 0.55, low - 0.55), title=title)
    axis.set_axis_off()
    return fig


def _layout(keys: list[Hashable], edges: list[Edge]) -> tuple[dict, list[list]]:
    """Columns by longest path to the result, rows by barycentre (Sugiyama, Tagawa and Toda, 1981, shortened).

    Returns:
        Column and row of each box, and of the stations on arrows that pass a column; and for each edge the keys that it
        passes, from source to target.
    """
    depth = dict.fromkeys(keys, 0)
    for _ in keys:
        for edge in edges:
            depth[edge.source] = max(depth[edge.source], depth[edge.target] + 1)
    columns = [[key for key in keys if depth[key] == level] for level in range(max(depth.values()) + 1)]
    routes, neighbours = [], {}
    for number, edge in enumerate(edges):
        stations = [(number, level) for level in range(depth[edge.source] - 1, depth[edge.target], -1)]
        for station in stations:
            columns[station[1]].append(station)
        routes.append([edge.source, *stations, edge.target])
        for a, b in pairwise(routes[-1]):
            neighbours.setdefault(a, []).append(b)
            neighbours.setdefault(b, []).append(a)
    rows = _untangle(columns, neighbours)
    place = {key: (len(columns) - 1 - level, rows[key]) for level, column in enumerate(columns) for key in column}
    return place, routes


def _untangle(columns: list[list], neighbours: dict) -> dict:
    """The row of each key: near the mean of its neighbours' rows, evenly spaced around 0."""
    rows = {key: i - (len(column) - 1) / 2 for column in columns for i, key in enumerate(column)}
    for _ in range(SWEEPS):
        for column in columns:
            column.sort(key=lambda key: np.mean([rows[other] for other in neighbours.get(key, [key])]))
            rows |= {key: i - (len(column) - 1) / 2 for i, key in enumerate(column)}
    return rows


def _paths(edges: list[Edge], routes: list[list], place: dict) -> list[list[tuple[float, float]]]:
    """The corners of each arrow. Those that share a side of a box leave or enter it beside each other."""
    sides = {}
    for number, (edge, route) in enumerate(zip(edges, routes, strict=True)):
        sides.setdefault((edge.source, "out"), []).append((place[route[1]][1], number))
        sides.setdefault((edge.target, "in"), []).append((place[route[-2]][1], number))

    def port(key: Hashable, side: str, number: int) -> float:
        order = [n for _, n in sorted(sides[key, side])]
        return place[key][1] + HEIGHT * 0.6 * ((order.index(number) + 0.5) / len(order) - 0.5)

    paths = []
    for number, (edge, route) in enumerate(zip(edges, routes, strict=True)):
        start = (place[edge.source][0] + WIDTH / 2, port(edge.source, "out", number))
        end = (place[edge.target][0] - WIDTH / 2, port(edge.target, "in", number))
        stations = [(x + side * WIDTH / 2, y) for x, y in map(place.get, route[1:-1]) for side in (-1, 1)]
        paths.append([start, *stations, end])
    return paths


def _arrow(axis: Axes, path: list[tuple[float, float]], label: str) -> None:
    grey = {"color": "#888888", "linewidth": 0.9}
    axis.plot(*zip(*path[:-1], strict=True), **grey)
    axis.annotate("", path[-1], path[-2], arrowprops={"arrowstyle": "-|>", **grey})
    if label:
        x, y = (0.4 * before + 0.6 * after for before, after in zip(path[-2], path[-1], strict=True))
        white = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axis.text(x, y, label, fontsize=6.5, ha="center", va="center", bbox=white)


def _box(axis: Axes, node: Node, x: float, y: float) -> None:
    corner, style = (x - WIDTH / 2, y - HEIGHT / 2), "round,pad=0,rounding_size=0.08"
    axis.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle=style, fc=node.colour, ec="#444444", lw=0.8))
    axis.text(x, y - 0.21, node.title, fontsize=7.5, ha="center", va="center", weight="bold")
    axis.text(x, y + 0.12, node.text, fontsize=6.5, ha="center", va="center", linespacing=1.25)
