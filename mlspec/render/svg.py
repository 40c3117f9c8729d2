"""Elements, scales and ticks: what the charts are made of. Everything that enters an element is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

CHARACTER = 0.58
"""Mean width of a character of the system font, in parts of the font size."""


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """One element. `class_` is written `class`, `_` in names as `-`; an attribute that is None is left out."""
    pairs = Markup("").join(
        Markup(' {}="{}"').format(
            key.rstrip("_").replace("_", "-"), round_(value) if isinstance(value, float) else value
        )
        for key, value in attributes.items()
        if value is not None
    )
    if not children:
        return Markup("<{}{}/>").format(name, pairs)
    return Markup("<{0}{1}>{2}</{0}>").format(name, pairs, Markup("").join(children))


def join(parts: Iterable[Markup]) -> Markup:
    """The elements one after the other."""
    return Markup("").join(parts)


def picture(width: float, height: float, label: str, *children: Markup, class_: str = "") -> Markup:
    """An `<svg>` that shrinks to its container; `label` is what a screen reader says of it."""
    return tag(
        "svg",
        *children,
        class_=f"chart {class_}".strip(),
        viewBox=f"0 0 {round_(width)} {round_(height)}",
        width=round_(width),
        height=round_(height),
        role="img",
        aria_label=label,
    )


def text(x: float, y: float, words: str, *, class_: str = "", anchor: str | None = None) -> Markup:
    """A line of text; `anchor` is `middle` or `end`."""
    return tag("text", words, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rect(x: float, y: float, width: float, height: float, class_: str, *, tip: str = "", **more: object) -> Markup:
    """A rectangle, with a tooltip where `tip` is given."""
    children = [tag("title", tip)] if tip else []
    return tag("rect", *children, x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), class_=class_, **more)


def dot(x: float, y: float, radius: float, class_: str, tip: str = "") -> Markup:
    """A filled circle, with a tooltip where `tip` is given."""
    children = [tag("title", tip)] if tip else []
    return tag("circle", *children, cx=x, cy=y, r=radius, class_=class_)


def fitted(words: str, width: float, size: float = 12) -> str:
    """`words`, cut with an ellipsis to about `width` units at that font size."""
    room = max(1, int(width / (size * CHARACTER)))
    return words if len(words) <= room else words[: room - 1].rstrip() + "…"


def round_(value: float) -> str:
    """A coordinate with at most one decimal: small files, and equal on every machine."""
    text_ = f"{value:.1f}".removesuffix(".0")
    return "0" if text_ == "-0" else text_


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` to coordinates from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of a value; of one outside, that of the nearer end."""
        if self.high <= self.low:
            return (self.start + self.end) / 2
        part = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return self.start + part * (self.end - self.start)


def ticks(low: float, high: float, count: int = 4) -> tuple[float, ...]:
    """About `count` round values within `low` to `high`: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return (low,)
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(i * step, 12) for i in range(first, last + 1))


def around(values: Sequence[float], margin: float = 0.08) -> tuple[float, float]:
    """The range of `values` with some air; a range around a single value."""
    low, high = min(values), max(values)
    if high == low:
        air = abs(low) * 0.1 or 1.0
        return low - air, high + air
    air = (high - low) * margin
    return (0.0 if 0 <= low < air else low - air), high + air
