"""The dependencies of the stages as a picture: from left to right, or from top to bottom on a narrow screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mlspec.plan.graph import upstream
from mlspec.plan.stage import Stage
from mlspec.render.svg import fitted, join, picture, rect, tag, text

LAYERS = 7
"""Layers in one band; a longer pipeline continues in a band below."""
NODE_WIDTH, NODE_HEIGHT = 128.0, 50.0
GAP, ROW = 30.0, 16.0
GUTTER = 34.0
"""Space between two bands for the lines that connect them."""


@dataclass(frozen=True, slots=True)
class PictureNode:
    """A stage as drawn: its state as a word (`ran`, `failed`, …) and what to say below the name."""

    name: str
    state: str
    note: str
    tip: str


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where a node's upper left corner is, and in which band."""

    x: float
    y: float
    band: int = 0


def needed(stages: Sequence[Stage]) -> dict[str, tuple[str, ...]]:
    """For each stage the stages it needs directly: without those it needs through another anyway."""
    above = upstream(stages)
    reach: dict[str, set[str]] = {}
    for stage in stages:
        reach[stage.name] = {far for near in above[stage.name] for far in {near, *reach.get(near, ())}}
    return {
        name: tuple(n for n in names if not any(n in reach[other] for other in names if other != n))
        for name, names in above.items()
    }


def layers(needs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The stages by their distance from the start, within a layer near to what they need."""
    depth = _depth(needs)
    grid: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name, level in depth.items():
        grid[level].append(name)
    height: dict[str, float] = {}
    for layer in grid:
        layer.sort(key=lambda name: sum(height[n] for n in needs[name]) / max(1, len(needs[name])))
        height |= {name: index - (len(layer) - 1) / 2 for index, name in enumerate(layer)}
    return grid


def stretched(needs: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The same with a waypoint in every layer that a line passes, so that no line runs behind a stage.

    A waypoint is named `FROM>TO@LAYER`, which is not the name of a stage.
    """
    depth = _depth(needs)
    points: dict[str, tuple[str, ...]] = {}
    for name, names in needs.items():
        last = []
        for before in names:
            here = before
            for level in range(depth[before] + 1, depth[name]):
                point = f"{before}>{name}@{level}"
                points[point], here = (here,), point
            last.append(here)
        points[name] = tuple(last)
    return points


def _depth(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Each stage's longest way from the start; the mapping is in an order that the stages can run in."""
    depth: dict[str, int] = {}
    for name, names in needs.items():
        depth[name] = 1 + max((depth[n] for n in names), default=-1)
    return depth


def across(stages: Sequence[Stage], nodes: Mapping[str, PictureNode], label: str) -> Markup:
    """The picture for a wide screen."""
    needs: Mapping[str, Sequence[str]] = needed(stages)
    grid = layers(needs)
    if len(grid) <= LAYERS:
        needs = stretched(needs)
        grid = layers(needs)
    places: dict[str, NodePlace] = {}
    top = 2.0
    for band, start in enumerate(range(0, len(grid), LAYERS)):
        rows = grid[start : start + LAYERS]
        tall = max(map(len, rows)) * (NODE_HEIGHT + ROW) - ROW
        for column, layer in enumerate(rows):
            offset = top + (tall - (len(layer) * (NODE_HEIGHT + ROW) - ROW)) / 2
            for index, name in enumerate(layer):
                place = NodePlace(2 + column * (NODE_WIDTH + GAP), offset + index * (NODE_HEIGHT + ROW), band)
                places[name] = place
        top += tall + GUTTER
    width = 4 + min(len(grid), LAYERS) * (NODE_WIDTH + GAP) - GAP
    edges = [_edge(places[n], places[name]) for name, names in needs.items() for n in names]
    edges += [
        _through(place.x, place.y + NODE_HEIGHT / 2, "H", NODE_WIDTH) for n, place in places.items() if n not in nodes
    ]
    boxes = [_box(nodes[name], place, NODE_WIDTH) for name, place in places.items() if name in nodes]
    return picture(width, top - GUTTER + 2, label, join(edges), join(boxes), class_="across")


def down(stages: Sequence[Stage], nodes: Mapping[str, PictureNode], label: str) -> Markup:
    """The picture for a narrow screen: 320 units wide, wider only where more than three stages lie side by side."""
    needs = stretched(needed(stages))
    grid = layers(needs)
    most = max(map(len, grid), default=1)
    wide = min(190.0, (320 - 4 - (most - 1) * 12) / most) if most <= 3 else 98.0
    total = max(320.0, most * (wide + 12) - 8)
    places = {}
    for row, layer in enumerate(grid):
        left = (total - (len(layer) * (wide + 12) - 12)) / 2
        for index, name in enumerate(layer):
            places[name] = NodePlace(left + index * (wide + 12), 2 + row * (NODE_HEIGHT + 24))
    edges = [_drop(places[n], places[name], wide / 2) for name, names in needs.items() for n in names]
    edges += [_through(place.x + wide / 2, place.y, "V", NODE_HEIGHT) for n, place in places.items() if n not in nodes]
    boxes = [_box(nodes[name], place, wide) for name, place in places.items() if name in nodes]
    return picture(total, len(grid) * (NODE_HEIGHT + 24) - 20, label, join(edges), join(boxes), class_="down")


def _through(x: float, y: float, way: str, length: float) -> Markup:
    """The piece of a line at a waypoint."""
    return _path(f"M{x:.1f} {y:.1f}{way}{(x if way == 'H' else y) + length:.1f}")


def _drop(start: NodePlace, end: NodePlace, half: float) -> Markup:
    """A line from the bottom of one node to the top of another."""
    x1, y1, x2, y2 = start.x + half, start.y + NODE_HEIGHT, end.x + half, end.y
    return _path(f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y2 - 8:.1f} {x2:.1f} {y1 + 8:.1f} {x2:.1f} {y2:.1f}")


def _edge(start: NodePlace, end: NodePlace) -> Markup:
    """A line from the right side of one node to the left side of another; between bands through the gutter."""
    x1, y1 = start.x + NODE_WIDTH, start.y + NODE_HEIGHT / 2
    x2, y2 = end.x, end.y + NODE_HEIGHT / 2
    if start.band == end.band:
        bend = GAP * 0.6
        return _path(f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}")
    x1, y1 = start.x + NODE_WIDTH / 2, start.y + NODE_HEIGHT
    x2, y2 = end.x + NODE_WIDTH / 2, end.y
    middle, r, way = y2 - GUTTER / 2, 7, 1 if x2 > x1 else -1
    return _path(
        f"M{x1:.1f} {y1:.1f}V{middle - r:.1f}Q{x1:.1f} {middle:.1f} {x1 + way * r:.1f} {middle:.1f}"
        f"H{x2 - way * r:.1f}Q{x2:.1f} {middle:.1f} {x2:.1f} {middle + r:.1f}V{y2:.1f}"
    )


def _path(d: str) -> Markup:
    return tag("path", d=d, class_="edge")


def _box(node: PictureNode, place: NodePlace, width: float) -> Markup:
    middle = place.x + width / 2
    return tag(
        "g",
        tag("title", node.tip),
        rect(place.x, place.y, width, NODE_HEIGHT, "node", rx=7),
        text(
            middle,
            place.y + (21 if node.note else 30),
            fitted(node.name, width - 12, 13),
            class_="name",
            anchor="middle",
        ),
        text(middle, place.y + 38, fitted(node.note, width - 10, 11), class_="note", anchor="middle"),
        class_=f"stage {node.state}",
    )
