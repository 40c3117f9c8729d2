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


def test_the_interval_of_a_point_is_a_whisker_inside_of_the_axis() -> None:
    points = tuple((SINCE + timedelta(hours=hour), 0.8) for hour in range(3))
    measured = ChartLine("7", points, intervals=((0.7, 0.9), None, (0.2, 0.95)))
    chart = str(line_chart("Accuracy", [measured], "fraction", TimeRange(SINCE, SINCE + timedelta(days=1))))
    heights = [
        [float(each) for each in re.findall(r' y[12]="([^"]+)"', whisker)]
        for whisker in re.findall(r"<line[^>]*whisker s0[^>]*>", chart)
    ]
    assert len(heights) == 2
    assert all(0 < height < 210 for pair in heights for height in pair)
    assert abs(heights[1][0] - heights[1][1]) > 3 * abs(heights[0][0] - heights[0][1])
    assert "7, 2026-11-27 00:00: 80% (70% to 90%)" in chart


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


def test_of_versions_that_answered_first_at_nearly_the_same_time_the_newest_is_named() -> None:
    deployed = ((SINCE, "6"), (SINCE + timedelta(hours=12), "7"), (SINCE + timedelta(hours=13), "8"))
    time = TimeRange(SINCE, SINCE + timedelta(days=1), deployed)
    chart = str(line_chart("Latency", [ChartLine("p95", ((SINCE, 3.0),))], "milliseconds", time))
    assert re.findall(r">version (\d)</text>", chart) == ["8", "6"]
    assert re.findall(r"<title>version (\d), ", chart) == ["8", "7", "6"]
