"""The measured results as tables: metrics with their gates, classes, slices, robustness, the exported model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlspec.records.evaluation import Evaluation
from mlspec.records.export import Export
from mlspec.records.gates import Gate
from mlspec.records.robustness import Perturbation, RobustnessResult
from mlspec.render.formatting import bound, number, plural, share, signed, size
from mlspec.report.collect import Results
from mlspec.spec.types import bound_parts

_LOWER = ("loss", "error", "mae", "mse", "rmse", "mape", "ece")
"""Words in the name of a metric that is better when it is smaller."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from `left`, `width` wide, with a tick at `mark`: all in percent of the available width."""

    left: float
    width: float
    mark: float | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's row."""

    name: str
    value: str
    bound: str
    margin: str
    passed: bool | None
    bar: Bar | None


def lower_is_better(metric: str, gates: Iterable[Gate] = ()) -> bool:
    """Whether lower is better: by the direction of the metric's gate, otherwise by its name."""
    for gate in gates:
        if gate.metric == metric and gate.bound[:1] in ("<", ">"):
            return gate.bound.startswith("<")
    return any(word in metric.lower() for word in _LOWER)


def scores(results: Results) -> tuple[Score, ...]:
    """Gated metrics first, then the others, in the order they were computed."""
    gates = results.gates.gates if results.gates else ()
    gated = {gate.metric for gate in gates}
    metrics = results.evaluation.metrics if results.evaluation else {}
    plain = [
        Score(name, number(value), "", "", None, _bar(value, None, ""))
        for name, value in metrics.items()
        if name not in gated and value is not None
    ]
    undefined = results.evaluation.undefined if results.evaluation else {}
    missing = [Score(name, "not defined", "", "", None, None) for name in undefined if name not in gated]
    return (*map(_gated, gates), *plain, *missing)


def _gated(gate: Gate) -> Score:
    limit = _limit(gate.bound)
    kind = "good" if gate.passed else "bad"
    if gate.value is None:
        return Score(gate.metric, number(None), bound(gate.bound), "", gate.passed, None)
    margin = signed(gate.value - limit) if limit is not None else ""
    return Score(gate.metric, number(gate.value), bound(gate.bound), margin, gate.passed, _bar(gate.value, limit, kind))


def _limit(bound: str) -> float | None:
    try:
        return bound_parts(bound)[1]
    except ValueError:
        return None


def _bar(value: float, limit: float | None, kind: str) -> Bar:
    """On a scale of 0 to 1 or -1 to 1 where value and limit lie in it, else up to a little more than both."""
    known = [value, *([limit] if limit is not None else [])]
    most = max(abs(v) for v in known)
    high = 1.0 if most <= 1 else 1.25 * most
    low = 0.0 if min(known) >= 0 else -high
    zero, at = _place(0.0, low, high), _place(value, low, high)
    return Bar(min(zero, at), abs(at - zero), None if limit is None else _place(limit, low, high), kind)


def _place(value: float, low: float, high: float) -> float:
    return 100 * (value - low) / (high - low)


@dataclass(frozen=True, slots=True)
class ClassRow:
    """The scores of one class: value, text and percentage of precision, recall and F1."""

    label: str
    support: int
    scores: tuple[tuple[float | None, str, float], ...]


def classes(evaluation: Evaluation) -> tuple[ClassRow, ...]:
    """A row for each class, lowest F1 first."""
    rows = sorted(evaluation.per_class.items(), key=lambda item: (_or(item[1].get("f1"), 2.0), item[0]))
    return tuple(
        ClassRow(
            label=label,
            support=int(_or(metrics.get("support"), 0.0)),
            scores=tuple(_class_score(metrics.get(name)) for name in ("precision", "recall", "f1")),
        )
        for label, metrics in rows
    )


def _class_score(value: float | None) -> tuple[float | None, str, float]:
    return value, _fixed(value), 100 * max(0.0, min(1.0, _or(value, 0.0)))


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _fixed(value: float | None) -> str:
    """A score of a column of scores: always as many digits, so that they line up."""
    return number(None) if value is None else f"{value:.4f}"


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One slice: the metric that the table is sorted by, its difference from all rows, and other metrics."""

    name: str
    rows: int
    first: float | None
    others: tuple[float | None, ...]
    difference: str | None
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class SlicesView:
    """The section's content. `overall` is the metric on all rows."""

    metric: str
    others: tuple[str, ...]
    overall: float | None
    lower: bool
    rows: tuple[SliceRow, ...]


def slices(evaluation: Evaluation, gates: Sequence[Gate]) -> SlicesView | None:
    """The slices, worst first, by the metric of a gate, otherwise by the first metric; None without slices."""
    if not evaluation.slices:
        return None
    by_name = evaluation.slices
    names = [g.metric for g in gates if g.metric in evaluation.metrics] + list(evaluation.metrics)
    metric = next((n for n in names if any(n in s.metrics for s in by_name.values())), "")
    lower, overall = lower_is_better(metric, gates), evaluation.metrics.get(metric)
    measured = {n for s in by_name.values() for n in s.metrics}
    others = tuple(n for n in evaluation.metrics if n != metric and n in measured)[:2]
    ordered = sorted(by_name.items(), key=lambda item: (_badness(item[1].metrics.get(metric), lower), item[0]))
    values = {name: s.metrics.get(metric) for name, s in by_name.items()}
    differences = {n: v - overall for n, v in values.items() if v is not None and overall is not None}
    widest = max(map(abs, differences.values()), default=0.0) or 1.0
    rows = [
        SliceRow(
            name=name,
            rows=slice_.rows,
            first=values[name],
            others=tuple(slice_.metrics.get(n) for n in others),
            difference=signed(differences[name]) if name in differences else None,
            bar=_difference_bar(differences[name], widest, lower) if name in differences else None,
        )
        for name, slice_ in ordered
    ]
    return SlicesView(metric, others, overall, lower, tuple(rows))


def _difference_bar(difference: float, widest: float, lower: bool) -> Bar:
    return _diverging(difference / widest, (difference < 0) != lower)


def _badness(value: float | None, lower: bool) -> float:
    if value is None:
        return float("inf")
    return -value if lower else value


def _diverging(part: float, worse: bool) -> Bar:
    """From the middle to the left for less, to the right for more."""
    width = 50 * abs(part)
    return Bar(50 - width if part < 0 else 50.0, width, 50.0, "bad" if worse else "good")


@dataclass(frozen=True, slots=True)
class PerturbationRow:
    """One perturbation: the share of predictions that did not change."""

    name: str
    agreement: str
    rows: int
    passed: bool
    bar: Bar


def robustness(result: RobustnessResult) -> tuple[PerturbationRow, ...]:
    """A row for each perturbation, lowest agreement first."""
    rows = sorted(result.perturbations.items(), key=lambda item: (item[1].agreement, item[0]))
    return tuple(_perturbation(name, entry, result.min_agreement) for name, entry in rows)


def _perturbation(name: str, entry: Perturbation, limit: float) -> PerturbationRow:
    passed = entry.agreement >= limit
    bar = Bar(0.0, 100 * entry.agreement, 100 * limit, "good" if passed else "bad")
    return PerturbationRow(name, share(entry.agreement), entry.rows, passed, bar)


@dataclass(frozen=True, slots=True)
class ShapeRow:
    """One batch that both models were given."""

    batch: int
    length: int
    difference: str


@dataclass(frozen=True, slots=True)
class ExportView:
    """The ONNX model compared with PyTorch's, and its int8 form. `sizes` are name, text and percentage."""

    opset: int
    difference: str
    tolerance: str
    checked: tuple[ShapeRow, ...]
    checks: str
    metric: str
    values: tuple[tuple[str, str], ...]
    drop: str
    sizes: tuple[tuple[str, str, float], ...]


def export(record: Export, tolerance: float | None) -> ExportView:
    """The section's content. `tolerance` is the spec's; None where it has none."""
    small = record.int8.size_bytes if record.int8 else 0
    largest = max(record.size_bytes, small) or 1
    sizes = [(name, n) for name, n in (("float32", record.size_bytes), ("int8", small)) if n]
    checked = tuple(ShapeRow(c.batch, c.length, number(c.difference)) for c in record.parity.checked)
    return ExportView(
        opset=record.opset,
        difference=number(record.parity.max_abs_difference),
        tolerance=number(tolerance) if tolerance is not None else "",
        checked=checked,
        checks=plural(len(checked), "shape"),
        metric=record.metric.name,
        values=tuple((name, number(value)) for name, value in _values(record)),
        drop=number(record.int8.drop) if record.int8 else "",
        sizes=tuple((name, size(n), 100 * n / largest) for name, n in sizes),
    )


def _values(record: Export) -> Iterable[tuple[str, float]]:
    yield "PyTorch", record.metric.torch
    yield "ONNX Runtime", record.metric.onnx
    if record.int8:
        yield "int8", record.int8.metric
