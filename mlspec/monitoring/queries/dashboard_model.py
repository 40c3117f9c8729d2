"""The dashboard of a project as values: availability, latency and quality by version, and when they changed.

Places are in a grid of 48 columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from mlspec.monitoring.queries.alerts import Alert
from mlspec.monitoring.queries.measure import Count, Counted, Latest, Mean, Measure, Percentile, Reported, Unit, rate
from mlspec.monitoring.queries.query import Grouping, ModelShape, Query, Series

Chart: TypeAlias = Literal["number", "lines", "stacked", "shares", "table"]
COLUMNS: Final = 48
_TALL: Final = 12
_NUMBER_HEIGHT: Final = 6


class Place(NamedTuple):
    """Position and size in a grid of 48 columns."""

    x: int
    y: int
    width: int
    height: int


class Limit(NamedTuple):
    """A line at the limit of an alert."""

    value: float
    title: str
    alert: str


class Panel(NamedTuple):
    """One panel: the question it answers, its query and its chart.

    A chart of lines has one line for each series and group.
    """

    id: str
    title: str
    question: str
    chart: Chart
    query: Query
    place: Place
    limits: tuple[Limit, ...] = ()


class Dashboard(NamedTuple):
    """Panels, what they can be filtered by, and whether the first request of each version is marked."""

    title: str
    description: str
    panels: tuple[Panel, ...]
    controls: tuple[Grouping, ...] = (Grouping.VERSION,)
    deployments: bool = True


class _Draft(NamedTuple):
    """A panel without a place."""

    id: str
    title: str
    question: str
    chart: Chart
    query: Query
    alert: str = ""
    """The alert whose limit is drawn."""
    limit: Limit | None = None
    """The limit of an alarm that no alert has."""


def dashboard(
    shape: ModelShape,
    alerts: Sequence[Alert],
    title: str,
    description: str,
    measurable: Callable[[Measure], bool] = lambda _: True,
) -> Dashboard:
    """The dashboard of a project with these alerts; without panels of which nothing is measurable."""
    limits = {alert.name: Limit(alert.limit, alert.title, alert.name) for alert in alerts if not alert.silence}
    drafts = [draft for draft in _drafts(shape) if any(measurable(s.measure) for s in draft.query.series)]
    return Dashboard(f"{title}: model in production", description, tuple(_placed(drafts, limits)))


def _placed(drafts: Sequence[_Draft], limits: dict[str, Limit]) -> Iterator[Panel]:
    """Numbers side by side in the first row, then two charts in each row; tables are as wide as the grid."""
    numbers = [draft for draft in drafts if draft.chart == "number"]
    x, y, height = 0, 0, _NUMBER_HEIGHT
    for draft in drafts:
        width = {"number": COLUMNS // max(len(numbers), 1), "table": COLUMNS}.get(draft.chart, COLUMNS // 2)
        tall = _NUMBER_HEIGHT if draft.chart == "number" else _TALL
        if x + width > COLUMNS or tall != height:
            x, y, height = 0, y + (height if x else 0), tall
        drawn = tuple(filter(None, (limits.get(draft.alert), draft.limit)))
        yield Panel(draft.id, draft.title, draft.question, draft.chart, draft.query, Place(x, y, width, tall), drawn)
        x += width


def _drafts(shape: ModelShape) -> Iterator[_Draft]:
    yield from _numbers(shape)
    yield from _traffic()
    yield from _answers(shape)
    yield from _features(shape)
    yield from _quality(shape)
    yield _versions(shape)


def _one(id: str, title: str, question: str, measure: Measure, alert: str = "") -> _Draft:
    return _Draft(id, title, question, "number", Query((Series(id, title, measure),)), alert)


def _numbers(shape: ModelShape) -> Iterator[_Draft]:
    yield _one("requests", "Requests", "Is it up?", Count(Counted.REQUESTS))
    yield _one("errors", "Error rate", "Does it answer?", rate(Counted.ERRORS), "error-rate")
    yield _one("p95", "Latency, p95", "Is it fast?", Percentile("latency", 95), "latency")
    if shape.task == "classification":
        title = "Low-confidence predictions"
        yield _one("unsure", title, "Is it sure?", rate(Counted.UNSURE), "unsure")


def _traffic() -> Iterator[_Draft]:
    per_second = Series("requests", "Requests per second", Count(Counted.REQUESTS, per_second=True))
    over_time, by_version = (Grouping.TIME,), (Grouping.TIME, Grouping.VERSION)
    kinds = tuple(Series(kind.value, title, rate(kind)) for kind, title in _KINDS.items())
    percentiles = tuple(Series(f"p{p}", f"p{p}", Percentile("latency", p)) for p in (50, 95, 99))
    errors, p95 = Series("errors", "Error rate", rate(Counted.ERRORS)), Series("p95", "p95", Percentile("latency", 95))
    yield _Draft(
        "traffic", "Requests by version", "Which version answers?", "stacked", Query((per_second,), by_version)
    )
    yield _Draft("kinds", "Errors by kind", "What goes wrong?", "lines", Query(kinds, over_time))
    yield _Draft(
        "errors-by-version",
        "Error rate by version",
        "Which version fails?",
        "lines",
        Query((errors,), by_version),
        "error-rate",
    )
    yield _Draft("latency", "Latency", "How slow are the slowest?", "lines", Query(percentiles, over_time))
    yield _Draft(
        "latency-by-version",
        "Latency by version, p95",
        "Which version is slow?",
        "lines",
        Query((p95,), by_version),
        "latency",
    )


_KINDS: Final = {
    Counted.REFUSED: "Refused (4xx)",
    Counted.FAILED: "Failed (5xx)",
    Counted.TIMEOUTS: "Timeouts",
    Counted.THROTTLED: "Throttled",
}


def _answers(shape: ModelShape) -> Iterator[_Draft]:
    if shape.task == "regression":
        values = tuple(Series(f"p{p}", f"p{p}", Percentile("value", p)) for p in (5, 50, 95))
        yield _Draft("values", "Predicted values", "Do the predictions move?", "lines", Query(values, (Grouping.TIME,)))
        return
    mix = Query((Series("predictions", "Predictions", Count(Counted.PREDICTIONS)),), (Grouping.TIME, Grouping.LABEL))
    mean = Series("mean", "Mean", Mean("score"))
    score = (mean, *(Series(f"p{p}", f"p{p}", Percentile("score", p)) for p in (5, 50)))
    unsure = Query((Series("unsure", "Low confidence", rate(Counted.UNSURE)),), (Grouping.TIME, Grouping.VERSION))
    yield _Draft("labels", "Prediction mix", "Does the mix of labels move?", "shares", mix)
    yield _Draft("confidence", "Confidence", "Is the model less sure?", "lines", Query(score, (Grouping.TIME,)))
    yield _Draft(
        "unsure-by-version",
        "Low-confidence predictions by version",
        "Which version is unsure?",
        "lines",
        unsure,
        "unsure",
    )


def _features(shape: ModelShape) -> Iterator[_Draft]:
    """Of each version by itself, as the rules judge it: a mean over all of them hides a canary."""
    by_input = (Grouping.TIME, Grouping.VERSION, Grouping.COLUMN)
    missing = Query((Series("missing", "Missing", rate(Counted.MISSING)),), by_input)
    unseen = Query((Series("unseen", "Unseen", rate(Counted.UNSEEN)),), by_input)
    drift = Query(
        (Series("evidence", "Share of the evidence for an alarm", Latest("drift_share", "number")),), by_input
    )
    alarm = Limit(1.0, "drift of a single input", "drift")
    if shape.columns(Counted.MISSING):
        title = "Missing values by version and input"
        yield _Draft("missing", title, "Which input is missing?", "lines", missing, "missing-rate")
    if shape.columns(Counted.UNSEEN):
        title = "Unseen values by version and input"
        yield _Draft("unseen", title, "Which input has new values?", "lines", unseen, "unseen-rate")
    title = "Drift evidence by version and input"
    yield _Draft("drift", title, "Which input has moved?", "lines", drift, limit=alarm)


def _quality(shape: ModelShape) -> Iterator[_Draft]:
    """The quality over time, then each measure with its interval beside what is expected without labels."""
    by_version = (Grouping.TIME, Grouping.VERSION)
    labels = shape.task == "classification"
    unit: Unit = "fraction" if labels else "number"
    quality = (
        *_with_ends("quality", "Measured", unit),
        *_with_ends("quality_estimated", "Expected without labels", unit),
        Series("expected", "On the test split", Latest("quality_expected", unit)),
    )
    title = "Accuracy" if labels else "Mean absolute error"
    query = Query(quality, by_version)
    yield _Draft("quality", f"{title}, measured and expected", "Is it still right?", "lines", query)
    share = Query((Series("labelled", "Labelled share", Latest("labelled_share")),), by_version)
    yield _Draft("labelled", "Labelled share by version", "How many labels have come?", "lines", share)
    measures = (*_with_ends("measure", "Measured", unit), *_with_ends("measure_estimated", "Expected", unit))
    by_measure = (Grouping.VERSION, Grouping.METRIC, *((Grouping.LABEL,) if labels else ()))
    question = "Is it as good as its scores suggest?" if labels else "Is the error as its inputs suggest?"
    title = "Quality, measured with labels and expected without"
    yield _Draft("measures", title, question, "table", Query(measures, by_measure))
    if shape.sliced:
        yield _slices(unit)


def _slices(unit: Unit) -> _Draft:
    """Each slice of each version by itself: summed over versions, the fall in a canary would not show."""
    series = (
        *_with_ends("slice_measure", "Measured", unit),
        Series("slice_tested", "On the test split", Latest("slice_measure_tested", unit)),
        Series("slice_rows", "Labelled rows", Latest("slice_measure_rows", "count")),
    )
    query = Query(series, (Grouping.VERSION, Grouping.SLICE))
    title = "Quality in slices, measured with labels and on the test split"
    return _Draft("slices", title, "Is one slice of a version worse?", "table", query)


def _with_ends(name: Reported, title: str, unit: Unit) -> Iterator[Series]:
    """A reported number, and the ends of its interval."""
    yield Series(name, title, Latest(name, unit))
    for end, words in zip(_ENDS[name], ENDS, strict=True):
        yield Series(end, f"{title}{words}", Latest(end, unit))


ENDS: Final = (", 95% low", ", 95% high")
"""What the titles of the ends of an interval end with."""
_ENDS: Final[dict[Reported, tuple[Reported, Reported]]] = {
    "quality": ("quality_low", "quality_high"),
    "quality_estimated": ("quality_estimated_low", "quality_estimated_high"),
    "measure": ("measure_low", "measure_high"),
    "measure_estimated": ("measure_estimated_low", "measure_estimated_high"),
    "slice_measure": ("slice_measure_low", "slice_measure_high"),
}


def _versions(shape: ModelShape) -> _Draft:
    series = [
        Series("requests", "Requests", Count(Counted.REQUESTS)),
        *(Series(kind.value, title, rate(kind)) for kind, title in _KINDS.items()),
        Series("p50", "p50", Percentile("latency", 50)),
        Series("p95", "p95", Percentile("latency", 95)),
    ]
    if shape.task == "classification":
        series.append(Series("unsure", "Low confidence", rate(Counted.UNSURE)))
    query = Query(tuple(series), (Grouping.VERSION,))
    return _Draft("versions", "Versions side by side", "Is the new version better?", "table", query)
