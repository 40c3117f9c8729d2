"""What was measured, as tables: metrics with their gates, classes, slices, robustness, the exported model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlspec.records.evaluation import Evaluation
from mlspec.records.export import Export
from mlspec.records.gates import Gate
from mlspec.records.robustness import RobustnessResult
from mlspec.report.collect import Results
from mlspec.report.formatting import bound, number, plural, share, signed, size
from mlspec.report.result_files import real
from mlspec.spec.types import bound_parts

_LOWER = ("loss", "error", "mae", "mse", "rmse", "mape", "ece")
"""Words in the name of a metric that is better when it is smaller."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from `left`, `width` wide, with a tick at `mark`: all in percent of the room."""

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
    """As its gate says, else as its name says."""
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


def classes(evaluation: Evaluation) -> list[dict[str, object]]:
    """Per class: the weakest F1 first."""
    rows = sorted(evaluation.per_class.items(), key=lambda item: (_or(item[1].get("f1"), 2.0), item[0]))
    return [
        {
            "label": label,
            "support": int(_or(found.get("support"), 0.0)),
            "scores": [
                (found.get(name), _fixed(found.get(name)), 100 * max(0.0, min(1.0, _or(found.get(name), 0.0))))
                for name in ("precision", "recall", "f1")
            ],
        }
        for label, found in rows
    ]


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _fixed(value: float | None) -> str:
    """A score of a column of scores: always as many digits, so that they line up."""
    return number(None) if value is None else f"{value:.4f}"


def slices(evaluation: Evaluation, gates: Sequence[Gate]) -> dict[str, object] | None:
    """Slices with the worst first, by the metric that is gated, else by the first."""
    if not evaluation.slices:
        return None
    names = [g.metric for g in gates if g.metric in evaluation.metrics] + list(evaluation.metrics)
    cut = evaluation.slices
    first = next((n for n in names if any(n in s.metrics for s in cut.values())), "")
    lower = lower_is_better(first, gates)
    whole_ = evaluation.metrics.get(first)
    known = {name: value for name, s in cut.items() if (value := s.metrics.get(first)) is not None}
    apart = {name: value - whole_ for name, value in known.items() if whole_ is not None}
    widest = max((abs(d) for d in apart.values()), default=0.0) or 1.0
    seen = {n for s in cut.values() for n in s.metrics}
    others = [n for n in evaluation.metrics if n != first and n in seen][:2]
    ordered = sorted(cut.items(), key=lambda item: (_badness(item[1].metrics.get(first), lower), item[0]))
    rows = []
    for name, found in ordered:
        difference = apart.get(name)
        rows.append(
            {
                "name": name,
                "rows": found.rows,
                "first": found.metrics.get(first),
                "others": [found.metrics.get(n) for n in others],
                "difference": None if difference is None else signed(difference),
                "bar": None if difference is None else _diverging(difference / widest, (difference < 0) != lower),
            }
        )
    return {"metric": first, "others": others, "overall": whole_, "lower": lower, "rows": rows}


def _badness(value: float | None, lower: bool) -> float:
    if value is None:
        return float("inf")
    return -value if lower else value


def _diverging(part: float, worse: bool) -> Bar:
    """From the middle to the left for less, to the right for more."""
    width = 50 * abs(part)
    return Bar(50 - width if part < 0 else 50.0, width, 50.0, "bad" if worse else "good")


def robustness(found: RobustnessResult) -> list[dict[str, object]]:
    """Per perturbation: the share of answers that stayed, the weakest first."""
    rows = sorted(found.perturbations.items(), key=lambda item: (item[1].agreement, item[0]))
    limit = 100 * found.min_agreement
    return [
        {
            "name": name,
            "agreement": share(entry.agreement),
            "rows": entry.rows,
            "passed": entry.agreement >= found.min_agreement,
            "bar": Bar(0.0, 100 * entry.agreement, limit, "good" if entry.agreement >= found.min_agreement else "bad"),
        }
        for name, entry in rows
    ]


def export(found: Export, tolerance: object) -> dict[str, object]:
    """The ONNX model beside PyTorch's, and its int8 form."""
    small = found.int8.size_bytes if found.int8 else 0
    most = max(found.size_bytes, small) or 1
    sizes = [(name, size(n), 100 * n / most) for name, n in (("float32", found.size_bytes), ("int8", small)) if n]
    checked = [{"batch": c.batch, "length": c.length, "difference": number(c.difference)} for c in found.parity.checked]
    return {
        "opset": found.opset,
        "difference": number(found.parity.max_abs_difference),
        "tolerance": number(real(tolerance)) if real(tolerance) is not None else "",
        "checked": checked,
        "checks": plural(len(checked), "shape"),
        "metric": found.metric.name,
        "values": [(name, number(value)) for name, value in _values(found)],
        "drop": number(found.int8.drop) if found.int8 else "",
        "sizes": sizes,
    }


def _values(found: Export) -> Iterable[tuple[str, float]]:
    yield "PyTorch", found.metric.torch
    yield "ONNX Runtime", found.metric.onnx
    if found.int8:
        yield "int8", found.int8.metric
