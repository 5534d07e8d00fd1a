"""A drawn graph can be read: boxes do not overlap, and arrows point to the right and pass no box."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest

from utils import graph


def some_graph(seed: int) -> tuple[list[graph.Node], list[graph.Edge]]:
    """Fifteen boxes, each of which is an input of a later one."""
    draws = random.Random(seed)
    edges = [graph.Edge(k, draws.randint(k + 1, 14)) for k in range(14)]
    edges += [graph.Edge(k, draws.randint(k + 1, 14), "2") for k in draws.sample(range(14), 5)]
    return [graph.Node(k, f"n{k}", f"value {k}") for k in range(15)], edges


@pytest.mark.parametrize("seed", range(5))
def test_boxes_do_not_overlap_and_arrows_point_to_the_right(seed):
    nodes, edges = some_graph(seed)
    place, routes = graph._layout([node.key for node in nodes], edges)
    for (x, y), (u, v) in combinations(place.values(), 2):
        assert abs(x - u) >= graph.WIDTH or abs(y - v) >= graph.HEIGHT
    for edge, route in zip(edges, routes, strict=True):
        assert (route[0], route[-1]) == (edge.source, edge.target)
        assert all(place[b][0] == place[a][0] + 1 for a, b in pairwise(route))  # a place of its own in every column


def test_every_text_is_in_the_figure():
    nodes, edges = some_graph(0)
    [axis] = graph.draw(nodes, edges, "A formula").axes
    texts = [text.get_text() for text in axis.texts]
    assert axis.get_title(loc="left") == "A formula"
    assert all(node.title in texts and node.text in texts for node in nodes)
    assert texts.count("2") == sum(edge.label == "2" for edge in edges)


def test_two_arrows_between_the_same_boxes_are_apart():
    edges = [graph.Edge("x", "y", "left"), graph.Edge("x", "y", "right")]
    place, routes = graph._layout(["x", "y"], edges)
    first, second = graph._paths(edges, routes, place)
    assert first[-1][1] != second[-1][1]
