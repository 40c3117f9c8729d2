from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mlspec.report.time_chart import ChartLine, TimeRange, line_chart

SINCE = datetime(2026, 11, 27, tzinfo=UTC)


def radii(values: list[float | None]) -> list[str]:
    """Of the dots of a line with a value for each hour."""
    points = tuple((SINCE + timedelta(hours=hour), value) for hour, value in enumerate(values))
    time = TimeRange(SINCE, SINCE + timedelta(days=1))
    return re.findall(
        r'<circle[^>]* r="([^"]+)"', line_chart("Latency", [ChartLine("p95", points)], "milliseconds", time)
    )


def test_a_value_without_neighbours_is_a_larger_dot() -> None:
    lone, joined = radii([3.0, None, 4.0])[0], radii([3.0, 4.0, None])[0]
    assert radii([3.0, None, 4.0]) == [lone, lone]
    assert float(lone) > float(joined)


def test_a_dashed_curve_has_the_colour_of_its_version_and_shows_a_single_value() -> None:
    moments = [SINCE + timedelta(hours=hour) for hour in range(24)]
    measured = ChartLine("7", tuple((moment, 0.8) for moment in moments))
    single = tuple((moment, 0.7 if number == 5 else None) for number, moment in enumerate(moments))
    time = TimeRange(SINCE, SINCE + timedelta(days=1))
    for points in (single, tuple((moment, 0.7) for moment in moments)):
        lines = [ChartLine("other", measured.points), measured, ChartLine("7 expected", points, dashed=True)]
        chart = str(line_chart("Accuracy", lines, "fraction", time))
        assert re.findall(r'class="curve dashed (\w+)"', chart) == (["s1"] if points is not single else [])
        assert "7 expected, 2026-11-27 05:00: 70%" in chart or points is not single
