"""The smaller charts: histograms, the reliability diagram, predicted against actual numbers."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from mlspec.render.formatting import count, number, share, short
from mlspec.render.svg import Scale, around, dot, join, line, picture, rect, tag, text, ticks
from mlspec.report.collect import CalibrationBin, Fit

BINS = 40
"""Columns of a histogram at most; neighbours are merged until it has that many."""


def histogram(edges: Sequence[float], counts: Sequence[float], width: float = 150, height: float = 34) -> Markup:
    """Columns without axes, each with its range and count as a tooltip."""
    edges, counts = _coarse(list(edges), list(counts))
    x = Scale(edges[0], edges[-1], 0, width)
    tallest = max(counts) or 1.0
    columns = []
    for index, n in enumerate(counts):
        left, right = x(edges[index]), x(edges[index + 1])
        tall = (height - 1) * n / tallest if n else 0.0
        tip = f"{number(edges[index])} to {number(edges[index + 1])}: {count(n)}"
        air = 1.0 if right - left > 2.5 else 0.0
        columns.append(
            rect(left, height - 1 - max(tall, 1.0 if n else 0.0), right - left - air, max(tall, 1.0), "column", tip=tip)
        )
    words = f"histogram from {number(edges[0])} to {number(edges[-1])}"
    return picture(
        width, height, words, join(columns), line(0, height - 0.5, width, height - 0.5, "grid"), class_="spark"
    )


def categories(top: Sequence[tuple[str, float]], rows: float, width: float = 150, height: float = 34) -> Markup:
    """The most frequent values as columns, what is beyond them as a last, paler one."""
    shown = list(top[:12])
    rest = max(0.0, rows - sum(n for _, n in shown))
    bars = [(*pair, "column") for pair in shown] + ([("other values", rest, "column rest")] if rest >= 1 else [])
    tallest = max((n for _, n, _ in bars), default=0) or 1.0
    step = min(22.0, width / max(1, len(bars)))
    parts = []
    for index, (name, n, kind) in enumerate(bars):
        tall = max(1.0, (height - 1) * n / tallest)
        parts.append(rect(index * step, height - 1 - tall, step - 2, tall, kind, tip=f"{name}: {count(n)}"))
    words = f"{len(shown)} most frequent values"
    return picture(
        width, height, words, join(parts), line(0, height - 0.5, width, height - 0.5, "grid"), class_="spark"
    )


def reliability(bins: Sequence[CalibrationBin]) -> Markup:
    """Accuracy against confidence: on the diagonal the model is calibrated. The area of a dot is its number of rows."""
    width, height, left, top, side = 330.0, 316.0, 44.0, 8.0, 262.0
    x, y = Scale(0, 1, left, left + side), Scale(0, 1, top + side, top)
    most = max((b.count for b in bins), default=0) or 1
    parts = []
    for value in (0, 0.25, 0.5, 0.75, 1):
        parts.append(line(left, y(value), left + side, y(value), "grid"))
        parts.append(text(left - 6, y(value) + 4, share(value), class_="tick", anchor="end"))
        parts.append(text(x(value), top + side + 16, share(value), class_="tick", anchor="middle"))
    parts.append(line(x(0), y(0), x(1), y(1), "ideal"))
    parts.append(
        tag(
            "text", "perfect calibration", class_="tick", transform=f"translate({x(0.1):.1f} {y(0.13):.1f}) rotate(-45)"
        )
    )
    full = [b for b in bins if b.count]
    parts += [line(x(b.confidence), y(b.confidence), x(b.confidence), y(b.accuracy), "gap") for b in full]
    parts.append(
        tag(
            "polyline",
            points=" ".join(f"{x(b.confidence):.1f},{y(b.accuracy):.1f}" for b in full),
            class_="curve valid thin",
        )
    )
    for b in full:
        tip = f"confidence {share(b.confidence)}: {share(b.accuracy)} correct, {count(b.count)} rows"
        parts.append(dot(x(b.confidence), y(b.accuracy), 3 + 7 * (b.count / most) ** 0.5, "bubble", tip))
    parts.append(text(left + side / 2, top + side + 34, "confidence", class_="axis", anchor="middle"))
    parts.append(
        tag(
            "text",
            "accuracy",
            class_="axis",
            text_anchor="middle",
            transform=f"translate(9 {top + side / 2:.1f}) rotate(-90)",
        )
    )
    return picture(width, height, f"calibration: accuracy against confidence in {len(full)} bins", join(parts))


def scatter(fit: Fit) -> Markup:
    """Predicted against actual numbers; on the diagonal the prediction is exact."""
    width, height, left, top, side = 360.0, 346.0, 58.0, 8.0, 288.0
    low, high = around([value for point in fit.points for value in point], 0.04)
    x, y = Scale(low, high, left, left + side), Scale(low, high, top + side, top)
    parts = []
    for value in ticks(low, high, 4):
        parts.append(line(left, y(value), left + side, y(value), "grid"))
        parts.append(text(left - 6, y(value) + 4, short(value), class_="tick", anchor="end"))
        parts.append(text(x(value), top + side + 16, short(value), class_="tick", anchor="middle"))
    parts.append(line(x(low), y(low), x(high), y(high), "ideal"))
    parts += [dot(x(actual), y(predicted), 2.4, "speck") for actual, predicted in fit.points]
    parts.append(text(left + side / 2, top + side + 34, "actual", class_="axis", anchor="middle"))
    parts.append(
        tag(
            "text",
            "predicted",
            class_="axis",
            text_anchor="middle",
            transform=f"translate(10 {top + side / 2:.1f}) rotate(-90)",
        )
    )
    return picture(width, height, f"predicted against actual for {len(fit.points)} rows", join(parts))


def _coarse(edges: list[float], counts: list[float]) -> tuple[list[float], list[float]]:
    while len(counts) > BINS:
        edges = [*edges[:-1:2], edges[-1]]
        counts = [sum(counts[i : i + 2]) for i in range(0, len(counts), 2)]
    return edges, counts
