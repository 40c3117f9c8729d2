"""The confusion matrix as a heat map: hits in one colour, confusions in another, both by their share of the row."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mlspec.render.formatting import count, share
from mlspec.render.svg import CHARACTER, fitted, join, picture, rect, tag, text

DETAILED = 12
"""Up to this many classes, cells show numbers; up to DRAWN they are coloured squares; above, nothing is drawn."""
DRAWN = 100
_STYLE = Markup("""
svg { background: #fff; font: 11px system-ui, sans-serif; }
text { fill: #59636f; font-variant-numeric: tabular-nums; }
.hit { fill: #2563a6; } .miss { fill: #b9421b; } .frame { fill: none; stroke: #e2e6ea; }
.cell { font-size: 13px; font-weight: 600; fill: #1b2027; } .cell.small { font-size: 10.5px; font-weight: 400; }
.cell.strong { fill: #fff; } .cell.none { fill: #8a939e; font-weight: 400; }
""")
"""The colours of the report, for a picture in a file of its own."""
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML file may contain (https://www.w3.org/TR/xml/#charsets)."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each class was taken for which: `counts[actual, predicted]`."""

    labels: tuple[str, ...]
    counts: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]], known: Sequence[str]) -> Confusion | None:
        """The counts of pairs (actual, predicted). Labels that occur, in the order of `known`; None without a pair."""
        counts = Counter(pairs)
        seen = {label for pair in counts for label in pair}
        order = [label for label in known if label in seen]
        return cls((*order, *sorted(seen - set(order), key=_natural)), dict(counts)) if counts else None


def _natural(label: str) -> tuple[float, str]:
    """A sort key: numbers by value, then texts alphabetically."""
    try:
        number = float(label)
    except ValueError:
        number = math.inf
    return (number if math.isfinite(number) else math.inf, label)


@dataclass(frozen=True, slots=True)
class Pair:
    """One kind of error: rows of class `actual` predicted as `predicted`, and their share of that class."""

    actual: str
    predicted: str
    count: int
    share: float


def mistaken(confusion: Confusion, most: int = 10) -> tuple[Pair, ...]:
    """The most frequent confusions."""
    totals = _totals(confusion)
    pairs = [Pair(a, p, n, n / totals[a]) for (a, p), n in confusion.counts.items() if a != p]
    return tuple(sorted(pairs, key=lambda pair: (-pair.count, pair.actual, pair.predicted))[:most])


def matrix(confusion: Confusion) -> Markup | None:
    """The picture; None for too many classes."""
    labels = confusion.labels
    if len(labels) > DRAWN:
        return None
    detailed = len(labels) <= DETAILED
    size = 12.0 if detailed else 10.0
    widest = min(130.0, max(len(label) for label in labels) * size * CHARACTER + 12)
    cell = _cell(len(labels), widest)
    size = min(size, cell - 1)
    upright = widest <= cell
    top = 40.0 if upright else widest + 24
    left, side = widest + 22, cell * len(labels)
    parts = [
        text(left + side / 2, 12, "predicted", class_="axis", anchor="middle"),
        tag(
            "text",
            "actual",
            class_="axis",
            text_anchor="middle",
            transform=f"translate(11 {top + side / 2:.1f}) rotate(-90)",
        ),
    ]
    for index, label in enumerate(labels):
        at = index * cell + cell / 2
        shown = fitted(label, widest - 6, size)
        style = f"font-size:{size:g}px"
        parts.append(
            tag("text", shown, x=left - 8, y=top + at + size / 3, class_="tick", text_anchor="end", style=style)
        )
        parts.append(_column_label(shown, left + at, top - 8, upright, style))
    parts += _cells(confusion, left, top, cell, detailed)
    words = f"confusion matrix of {len(labels)} classes; the table of frequent confusions says the same"
    return picture(left + side + 2, top + side + 2, words, join(parts), class_="matrix")


def matrix_file(confusion: Confusion) -> str | None:
    """The picture as the text of an SVG file; None for too many classes."""
    drawn = matrix(confusion)
    if drawn is None:
        return None
    start, end, rest = drawn.partition(">")
    namespace = Markup(' xmlns="http://www.w3.org/2000/svg"')
    text_ = str(start + namespace + end + tag("style", _STYLE) + rest)
    return _NOT_XML.sub("\ufffd", text_)


def _cell(classes: int, widest: float) -> float:
    """The side of a cell: with few classes wide enough for their names."""
    if classes <= 4:
        return min(112.0, max(64.0, widest))
    return 48.0 if classes <= DETAILED else 15.0 if classes <= 40 else 11.0


def _column_label(shown: str, x: float, y: float, upright: bool, style: str) -> Markup:
    if upright:
        return tag("text", shown, x=x, y=y, class_="tick", text_anchor="middle", style=style)
    return tag("text", shown, class_="tick", transform=f"translate({x + 3:.1f} {y:.1f}) rotate(-90)", style=style)


def _cells(confusion: Confusion, left: float, top: float, cell: float, detailed: bool) -> list[Markup]:
    """All cells where they hold numbers, otherwise a frame and the cells that are not empty."""
    totals, parts = _totals(confusion), []
    side = cell * len(confusion.labels)
    if not detailed:
        parts.append(rect(left, top, side, side, "frame"))
    for row, actual in enumerate(confusion.labels):
        for column, predicted in enumerate(confusion.labels):
            n = confusion.counts.get((actual, predicted), 0)
            if not n and not detailed:
                continue
            part = n / totals[actual] if totals.get(actual) else 0.0
            x, y = left + column * cell, top + row * cell
            kind = "hit" if row == column else "miss"
            tip = f"{actual} predicted as {predicted}: {count(n)} of {count(totals.get(actual, 0))} ({share(part)})"
            shade = f"{0.06 + 0.86 * part:.2f}" if n else "0.03"
            gap = 1.5 if detailed else 0.5
            box = rect(
                x + gap / 2,
                y + gap / 2,
                cell - gap,
                cell - gap,
                kind,
                tip=tip,
                fill_opacity=shade,
                rx=3 if detailed else 1,
            )
            parts.append(box)
            if detailed:
                parts += _numbers(n, part, x + cell / 2, y + cell / 2)
    return parts


def _numbers(n: int, part: float, x: float, y: float) -> list[Markup]:
    contrast = "strong" if part > 0.7 else "weak" if n else "none"
    shown = [text(x, y + 1, count(n), class_=f"cell {contrast}", anchor="middle")]
    if n:
        shown.append(text(x, y + 15, share(part), class_=f"cell small {contrast}", anchor="middle"))
    return shown


def _totals(confusion: Confusion) -> dict[str, int]:
    totals: dict[str, int] = {}
    for (actual, _), n in confusion.counts.items():
        totals[actual] = totals.get(actual, 0) + n
    return totals
