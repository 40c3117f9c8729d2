"""Charts over time: lines, and stacked columns of counts or shares, with limits and deployments drawn."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup

from mlspec.monitoring.monitor_state import ChartLimit, ChartLine, PanelUnit
from mlspec.render.formatting import count, number, share, short
from mlspec.render.svg import Scale, around, dot, fitted, join, line, picture, rect, tag, text, ticks

WIDTH, HEIGHT = 520.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 96.0, 20.0, 24.0
COLOURS: Final = 8
"""Lines with a colour of their own; more are drawn in the last one."""
_LONE: Final = 4.0
"""Radius of a value without a line to the next one."""
_STEPS: Final = (
    timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6),
    timedelta(days=1), timedelta(days=7), timedelta(days=30),
)  # fmt: skip
"""Distances between the times on the axis."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The range of a chart, and the deployments in it."""

    since: datetime
    until: datetime
    deployments: tuple[tuple[datetime, str], ...] = ()

    def x(self) -> Scale:
        """Times in seconds to coordinates."""
        return Scale(self.since.timestamp(), self.until.timestamp(), LEFT, WIDTH - RIGHT)


def line_chart(
    title: str, lines: Sequence[ChartLine], unit: PanelUnit, time: TimeRange, limits: Sequence[ChartLimit] = ()
) -> Markup:
    """One line for each series; a gap where nothing was measured."""
    values = [value for each in lines for _, value in each.points if value is not None]
    ends_of = [end for each in lines for ends in each.intervals if ends is not None for end in ends]
    low, high = _range([*values, *ends_of, *(limit.value for limit in limits)], unit)
    x, y = time.x(), Scale(low, high, HEIGHT - BOTTOM, TOP)
    colours = _colours(lines)
    drawn = [_curve(each, index, x, y, unit) for index, each in zip(colours, lines, strict=True)]
    ends = [(_last(each), each.name, i) for i, each in zip(colours, lines, strict=True) if _last(each) is not None]
    return picture(
        WIDTH,
        HEIGHT,
        f"{title} over time: {_spoken(lines, unit)}",
        join(_grid(low, high, y, unit)),
        join(_times(time, x)),
        join(_marks(time, x)),
        join(_limits(limits, x, y, unit)),
        join([_whiskers(each, index, x, y) for index, each in zip(colours, lines, strict=True)]),
        join(drawn),
        join(_names([(y(value), name, index) for value, name, index in ends if value is not None])),
    )


def stacked_chart(title: str, lines: Sequence[ChartLine], unit: PanelUnit, time: TimeRange, *, shares: bool) -> Markup:
    """Columns of all series on top of each other; with `shares` each column is the whole."""
    moments = sorted({moment for each in lines for moment, _ in each.points})
    values = [{moment: value or 0.0 for moment, value in each.points} for each in lines]
    totals = {moment: sum(value.get(moment, 0.0) for value in values) for moment in moments}
    high = 1.0 if shares else max(totals.values(), default=0.0) or 1.0
    x, y = time.x(), Scale(0.0, high, HEIGHT - BOTTOM, TOP)
    step = min((b - a for a, b in itertools.pairwise(moments)), default=time.until - time.since)
    parts = []
    for moment in moments:
        below, whole = 0.0, totals[moment] if shares else 1.0
        left = x(moment.timestamp())
        width = max(x((moment + step).timestamp()) - left - 1, 1.0)
        for index, (each, value) in enumerate(zip(lines, values, strict=True)):
            size = value.get(moment, 0.0) / whole if whole else 0.0
            tip = f"{each.name}, {_clock(moment)}: {shown(size if shares else value.get(moment), unit)}"
            parts.append(rect(left, y(below + size), width, y(below) - y(below + size), _fill(index), tip=tip))
            below += size
    axis: PanelUnit = "fraction" if shares else unit
    ends, below = [], 0.0
    for index, (each, value) in enumerate(zip(lines, values, strict=True)):
        whole = totals[moments[-1]] if shares and moments else 1.0
        size = (value.get(moments[-1], 0.0) / whole if whole else 0.0) if moments else 0.0
        ends.append((y(below + size / 2), each.name, index))
        below += size
    return picture(
        WIDTH,
        HEIGHT,
        f"{title} over time: {_spoken(lines, unit)}",
        join(_grid(0.0, high, y, axis)),
        join(_times(time, x)),
        join(parts),
        join(_marks(time, x)),
        join(_names(ends)),
    )


def _range(values: Sequence[float], unit: PanelUnit) -> tuple[float, float]:
    """From 0, except where a value is below; zeros alone are at the bottom."""
    highest = max(values, default=0.0)
    if highest <= 0 and min(values, default=0.0) >= 0:
        return 0.0, 0.01 if unit == "fraction" else 1.0
    low, high = around([0.0, *values])
    return low, min(high, 1.0) if unit == "fraction" and highest <= 1 else high


def shown(value: float | None, unit: PanelUnit) -> str:
    """A value with its unit."""
    if value is None:
        return "no value"
    if unit == "fraction":
        return share(value)
    if unit == "count":
        return count(value)
    return f"{number(value)}{' ms' if unit == 'milliseconds' else '/s' if unit == 'per_second' else ''}"


def _colours(lines: Sequence[ChartLine]) -> list[int]:
    """The colour of each curve; a dashed one has that of the curve whose version it names."""
    solid = {each.name: index for index, each in enumerate(lines) if not each.dashed}
    names = list(solid)
    return [
        solid.get(next((n for n in names if each.dashed and each.name.startswith(f"{n} ")), ""), index)
        for index, each in enumerate(lines)
    ]


def _curve(each: ChartLine, index: int, x: Scale, y: Scale, unit: PanelUnit) -> Markup:
    parts, run, alone = [], list[str](), set[str]()
    for moment, value in (*each.points, (None, None)):
        if value is not None and moment is not None:
            run.append(f"{x(moment.timestamp()):.1f},{y(value):.1f}")
            continue
        if len(run) > 1:
            dashed = " dashed" if each.dashed else ""
            parts.append(tag("polyline", points=" ".join(run), class_=f"curve{dashed} {_stroke(index)}"))
        alone.update(run if len(run) == 1 else ())
        run = []
    every = len(each.points) // (6 if each.dashed else 60) + 1
    for place, (moment, value) in enumerate(each.points):
        if value is None:
            continue
        ends = each.intervals[place] if each.intervals else None
        interval = "" if ends is None else f" ({shown(ends[0], unit)} to {shown(ends[1], unit)})"
        at, tip = x(moment.timestamp()), f"{each.name}, {_clock(moment)}: {shown(value, unit)}{interval}"
        lone = f"{at:.1f},{y(value):.1f}" in alone
        if lone or place % every == 0:
            parts.append(dot(at, y(value), _LONE if lone else 2.0, _fill(index), tip))
    return join(parts)


def _whiskers(each: ChartLine, index: int, x: Scale, y: Scale) -> Markup:
    """The interval of each point."""
    pairs = zip(each.points, each.intervals, strict=True) if each.intervals else ()
    moments = [(x(moment.timestamp()), ends) for (moment, _), ends in pairs if ends is not None]
    return join([line(at, y(ends[0]), at, y(ends[1]), f"whisker {_stroke(index)}") for at, ends in moments])


def _grid(low: float, high: float, y: Scale, unit: PanelUnit) -> list[Markup]:
    parts = []
    for value in ticks(low, high, 4):
        label = share(value) if unit == "fraction" else f"{short(value)}{' ms' if unit == 'milliseconds' else ''}"
        parts.append(line(LEFT, y(value), WIDTH - RIGHT, y(value), "grid"))
        parts.append(text(LEFT - 6, y(value) + 4, label, class_="tick", anchor="end"))
    return parts


def _times(time: TimeRange, x: Scale) -> list[Markup]:
    """Round times below the chart."""
    whole = time.until - time.since
    step = next((step for step in _STEPS if whole / step <= 6), _STEPS[-1])
    first = datetime.fromtimestamp(
        (time.since.timestamp() // step.total_seconds() + 1) * step.total_seconds(), tz=time.since.tzinfo
    )
    moments = [first + index * step for index in range(int((time.until - first) / step) + 1)]
    form = "%d %b" if step >= timedelta(days=1) else "%H:%M"
    return [
        text(x(moment.timestamp()), HEIGHT - BOTTOM + 16, moment.strftime(form), class_="tick", anchor="middle")
        for moment in moments
    ]


_MARK: Final = 80.0
"""Width of the name of a version at its mark."""


def _marks(time: TimeRange, x: Scale) -> list[Markup]:
    """A dashed line where a version answered first; of those close together the newest is named."""
    parts: list[Markup] = []
    free = float("inf")
    for moment, version in reversed(time.deployments):
        if time.since <= moment <= time.until:
            at = x(moment.timestamp())
            words = fitted(f"version {version}", _MARK, 10)
            named = [text(at + 3, TOP - 6, words, class_="tick")] if at + _MARK <= free else []
            free = at if named else free
            title = tag("title", f"version {version}, {_clock(moment)}")
            parts.append(tag("g", title, line(at, TOP - 14, at, HEIGHT - BOTTOM, "mark"), *named))
    return parts


def _limits(limits: Sequence[ChartLimit], x: Scale, y: Scale, unit: PanelUnit) -> list[Markup]:
    parts = []
    for limit in limits:
        parts.append(line(x.start, y(limit.value), x.end, y(limit.value), "limit"))
        words = f"limit {shown(limit.value, unit)}"
        parts.append(text(x.end - 4, y(limit.value) - 4, words, class_="tick limit", anchor="end"))
    return parts


def _names(ends: Sequence[tuple[float, str, int]]) -> list[Markup]:
    """The name of each series at its end; those that end together are pushed apart. A single one needs none."""
    if len(ends) < 2:
        return []
    spots = sorted(ends)
    heights: list[float] = []
    for height, _, _ in spots:
        heights.append(max(height, heights[-1] + 13) if heights else height)
    over = max(0.0, heights[-1] - (HEIGHT - BOTTOM))
    return [
        text(
            WIDTH - RIGHT + 7, max(height - over, TOP) + 4, fitted(name, RIGHT - 8, 11), class_=f"label {_fill(index)}"
        )
        for height, (_, name, index) in zip(heights, spots, strict=True)
    ]


def _last(each: ChartLine) -> float | None:
    return next((value for _, value in reversed(each.points) if value is not None), None)


def _stroke(index: int) -> str:
    return f"s{min(index, COLOURS - 1)}"


def _fill(index: int) -> str:
    return f"f{min(index, COLOURS - 1)}"


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


def _spoken(lines: Sequence[ChartLine], unit: PanelUnit) -> str:
    ends = [f"{each.name} {shown(_last(each), unit)}" for each in lines[:COLOURS]]
    return f"last {', '.join(ends)}" if ends else "no data"
