"""Results to Markdown for a job summary or a comment, with the differences from earlier results. Text only: GitHub's
summaries show no pictures. Labels and names come from the data and are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mlspec.records.gates import Gates
from mlspec.render.confusion_matrix import DETAILED, Confusion, mistaken
from mlspec.render.formatting import DASH, bound, count, number, share, signed
from mlspec.report.collect import Curve, Results
from mlspec.report.curves import parted
from mlspec.report.headline import verdict

_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 30
"""The width of a curve in characters."""


def markdown_page(title: str, results: Results, earlier: Results | None = None, revision: str = "") -> str:
    """The page; with `earlier` results, those of `revision`, also what changed."""
    lines = [f"## {escaped(title)}: {_headline(results)}", ""]
    detail = verdict((), results.gates).detail if results.gates else ""
    lines += [escaped(detail), ""] if detail else []
    lines += _metrics(results, earlier, escaped(revision))
    lines += _curves(results.curves, earlier.curves if earlier else ())
    if results.confusion:
        lines += _confusion(results.confusion, earlier.confusion if earlier else None)
    return "\n".join(lines).rstrip() + "\n"


def _headline(results: Results) -> str:
    if results.gates:
        return verdict((), results.gates).title
    return "results" if results.evaluation else "no results"


def escaped(text: str) -> str:
    """`text` as Markdown that shows exactly it: no markup, mention, link, cell or line of its own."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return "".join(c if c.isalnum() or c in " ,-/" else f"&#{ord(c)};" for c in words)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> list[str]:
    """A table whose first columns are texts, and the others numbers."""
    marks = ["---"] * texts + ["--:"] * (len(head) - texts)
    return [*(f"| {' | '.join(cells)} |" for cells in (head, marks, *rows)), ""]


def _metrics(results: Results, earlier: Results | None, revision: str) -> list[str]:
    """Each metric with its gate, and with its value and the difference where there are earlier results."""
    values = _values(results)
    if not values:
        return ["No metrics: the pipeline did not get to `evaluate`.", ""]
    gates = _gates(results.gates)
    before = _values(earlier) if earlier else {}
    if not before:
        rows = [(escaped(name), number(value), gates.get(name, "")) for name, value in values.items()]
        note = [f"No metrics at {revision} to compare with.", ""] if revision else []
        return [*_table(("metric", "value", "gate"), rows), *note]
    compared = [
        (escaped(name), number(before.get(name)), number(value), _change(before.get(name), value), gates.get(name, ""))
        for name, value in values.items()
    ]
    return _table(("metric", revision, "this run", "change", "gate"), compared)


def _values(results: Results) -> Mapping[str, float | None]:
    """The metrics of the test split, then what else gates are about."""
    metrics = dict(results.evaluation.metrics) if results.evaluation else {}
    return metrics | {gate.metric: gate.value for gate in (results.gates.gates if results.gates else ())}


def _gates(gates: Gates | None) -> dict[str, str]:
    passed = {True: "passed", False: "**failed**"}
    return {gate.metric: f"{passed[gate.passed]} ({bound(gate.bound)})" for gate in (gates.gates if gates else ())}


def _change(before: float | None, now: float | None) -> str:
    if before is None or now is None:
        return DASH
    return "=" if before == now else signed(now - before)


def _curves(curves: Sequence[Curve], earlier: Sequence[Curve]) -> list[str]:
    """A row for each curve: its course as bars, and where it ends."""
    ends = {curve.name: curve.points[-1][1] for curve in earlier if curve.points}
    rows = []
    for curve in sorted(curves, key=lambda curve: (parted(curve.name)[1] != "loss", curve.name)):
        values = [value for _, value in curve.points]
        if values and len(set(values)) > 1:
            course = (escaped(curve.name), bars(values), number(values[0]), number(values[-1]))
            rows.append((*course, _change(ends.get(curve.name), values[-1])) if ends else course)
    if not rows:
        return []
    head = ("curve", "course", "first", "last", *(("change of the last",) if ends else ()))
    return ["### Learning curves", "", *_table(head, rows, texts=2)]


def bars(values: Sequence[float]) -> str:
    """The course of a curve in at most 30 characters, from its lowest to its highest value."""
    shown = [values[at * len(values) // _POINTS] for at in range(_POINTS)] if len(values) > _POINTS else values
    low, high = min(shown), max(shown)
    step = (high - low) / (len(_BARS) - 1) or 1.0
    return "".join(_BARS[round((value - low) / step)] for value in shown)


def _confusion(confusion: Confusion, earlier: Confusion | None) -> list[str]:
    """The matrix with the differences from the earlier one; of many classes the most frequent errors."""
    labels = confusion.labels
    if len(labels) > DETAILED:
        pairs = [(escaped(p.actual), escaped(p.predicted), count(p.count), share(p.share)) for p in mistaken(confusion)]
        return ["### Most frequent errors", "", *_table(("actual", "predicted", "rows", "share"), pairs, texts=2)]
    head = ("actual \\ predicted", *map(escaped, labels))
    rows = [(escaped(a), *(_cell(confusion, earlier, a, p) for p in labels)) for a in labels]
    return ["### Confusion matrix", "", *_table(head, rows)]


def _cell(confusion: Confusion, earlier: Confusion | None, actual: str, predicted: str) -> str:
    number = confusion.counts.get((actual, predicted), 0)
    text = f"**{count(number)}**" if actual == predicted else count(number)
    change = number - earlier.counts.get((actual, predicted), 0) if earlier else 0
    return f"{text} ({signed(change)})" if change else text
