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
