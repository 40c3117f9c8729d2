"""Learning curves as small multiples: one panel for each quantity, with curves of training and validation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from mlspec.records.training import Training
from mlspec.render.formatting import number, short
from mlspec.render.svg import Scale, around, dot, join, line, picture, tag, text, ticks
from mlspec.report.collect import Curve

WIDTH, HEIGHT = 260.0, 156.0
LEFT, RIGHT, TOP, BOTTOM = 36.0, 40.0, 8.0, 22.0
CHARACTER = 6.5
"""Width of a digit on an axis."""

_SPLIT = re.compile(r"(train|training|val|valid|validation)[/_\s.-]+(.+)", re.IGNORECASE)
_RATES = ("learning_rate", "lr")


def panels(training: Training | None, curves: Sequence[Curve]) -> list[tuple[str, Markup]]:
    """Title and chart of each quantity: the loss first, the learning rate last."""
    grouped: dict[str, list[Curve]] = {}
    for curve in curves:
        if curve.name.startswith(_RATES) and len({value for _, value in curve.points}) == 1:
            continue  # the spec already shows a constant rate
        grouped.setdefault(parted(curve.name)[1], []).append(curve)
    names = sorted(grouped, key=lambda n: (n.lower() != "loss", n.startswith(_RATES)))
    return [(name.replace("_", " "), _panel(name, grouped[name], training)) for name in names]


def parted(name: str) -> tuple[str, str]:
    """Split and quantity of a metric's name: `valid/loss` and `val_loss` are the loss of validation."""
    match = _SPLIT.fullmatch(name)
    if match is None:
        return "", name
    return ("train" if match[1].lower().startswith("train") else "valid"), match[2]


def _panel(name: str, curves: Sequence[Curve], training: Training | None) -> Markup:
    epochs = [epoch for curve in curves for epoch, _ in curve.points]
    low, high = around([value for curve in curves for _, value in curve.points])
    x = Scale(min(epochs), max(epochs), _left(low, high), WIDTH - RIGHT)
    y = Scale(low, high, HEIGHT - BOTTOM, TOP)
    drawn = [_series(curve, x, y) for curve in curves]
    return picture(
        WIDTH,
        HEIGHT,
        _spoken(name, curves),
        join(_grid(x, y, low, high, epochs)),
        join(drawn),
        join(_ends(curves, x, y)),
        join(_best(curves, training, x, y)),
    )


def _left(low: float, high: float) -> float:
    """Where the curves begin: right of the longest value on the axis."""
    return max(LEFT, 6 + CHARACTER * max(len(short(value)) for value in ticks(low, high, 5)))


def _grid(x: Scale, y: Scale, low: float, high: float, epochs: Sequence[float]) -> list[Markup]:
    """Horizontal lines with their values, and the epochs below."""
    parts = []
    for value in ticks(low, high, 5):
        parts.append(line(x.start, y(value), WIDTH - RIGHT, y(value), "grid"))
        parts.append(text(x.start - 6, y(value) + 4, short(value), class_="tick", anchor="end"))
    shown = [t for t in ticks(min(epochs), max(epochs), 4) if t == int(t)] or [min(epochs)]
    words = [f"epoch {short(shown[0])}", *map(short, shown[1:])]
    parts += [
        text(x(t), HEIGHT - BOTTOM + 15, word, class_="tick", anchor="middle")
        for t, word in zip(shown, words, strict=True)
    ]
    return parts


def _series(curve: Curve, x: Scale, y: Scale) -> Markup:
    kind = _kind(curve)
    points = " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in curve.points)
    path = tag("polyline", points=points, class_=f"curve {kind}")
    every = len(curve.points) // 60 + 1
    dots = [
        dot(x(epoch), y(value), 2.2, f"point {kind}", f"{curve.name}, epoch {short(epoch)}: {number(value)}")
        for epoch, value in curve.points[::every]
    ]
    return join([path, *dots])


def _ends(curves: Sequence[Curve], x: Scale, y: Scale) -> list[Markup]:
    """The name of each series where it ends; two that end together are pushed apart."""
    if len(curves) == 1 and not parted(curves[0].name)[0]:
        return []
    spots = sorted((y(curve.points[-1][1]), index, curve) for index, curve in enumerate(curves))
    heights: list[float] = []
    for height, _, _ in spots:
        heights.append(max(height, heights[-1] + 13) if heights else height)
    over = max(0.0, heights[-1] - (HEIGHT - BOTTOM - 2))
    return [
        text(
            x(curve.points[-1][0]) + 7,
            height - over + 4,
            parted(curve.name)[0] or curve.name,
            class_=f"label {_kind(curve)}",
        )
        for height, (_, _, curve) in zip(heights, spots, strict=True)
    ]


def _best(curves: Sequence[Curve], training: Training | None, x: Scale, y: Scale) -> list[Markup]:
    """A circle around the epoch of the checkpoint that was kept."""
    best = training.best if training else None
    watched = next((curve for curve in curves if best and curve.name == best.monitor), None)
    if best is None or watched is None or best.value is None:
        return []
    tip = f"kept: {watched.name} {number(best.value)} at epoch {short(best.epoch)}"
    return [dot(x(best.epoch), y(best.value), 5.5, "kept", tip)]


def _kind(curve: Curve) -> str:
    return parted(curve.name)[0] or "valid"


def _spoken(name: str, curves: Sequence[Curve]) -> str:
    ends = ", ".join(f"{c.name} from {number(c.points[0][1])} to {number(c.points[-1][1])}" for c in curves)
    return f"{name} over {len(curves[0].points)} epochs: {ends}"
