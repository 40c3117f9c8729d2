"""The stages `evaluate` (the trained model on the test split, to metrics, plots and predictions) and `gate`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from mlspec.errors import StageError
from mlspec.job import Job, user_code, write_json, write_text
from mlspec.learning.build import load_module
from mlspec.learning.infer import checked, logits
from mlspec.learning.metrics import Classified, classified, of_classified, per_class, scores
from mlspec.learning.rows import load, schema
from mlspec.parts.evaluate import calibration
from mlspec.parts.evaluate.gates import measured, parse
from mlspec.parts.evaluate.slices import cut
from mlspec.parts.evaluate.spec import EvaluateSpec, Slice
from mlspec.runtime.preprocess import load as load_preprocess
from mlspec.spec.names import suggest
from mlspec.spec.types import holds

Measure = Callable[[Tensor], dict[str, float | None]]
"""The metrics of some rows, by their numbers."""


def main(job: Job) -> None:
    """Run the stage `evaluate`."""
    options, data = job.need(EvaluateSpec), job.inputs / "data"
    described = schema(data)
    module = load_module(job.inputs / "model", described, job.root)
    preprocess = load_preprocess(job.inputs / "model" / "preprocess")
    rows = load(data, "test", preprocess)
    with user_code(job.root, "the model's forward"):
        outputs = logits(module, rows, preprocess, options.batch_size)
    labels: list[str] = described["target"].get("labels", [])
    checked(outputs, len(labels))
    values = torch.from_numpy(outputs)
    if labels:
        report, measure = _classes(job, options, values, torch.from_numpy(rows.targets), labels)
    else:
        actual = rows.table[described["target"]["column"]].to_numpy()
        report, measure = _numbers(job, options, values, torch.from_numpy(actual.astype(np.float64)))
    report["slices"] = _slices(options, rows.table, described["target"], measure)
    write_json(job.outputs / "metrics" / "evaluate.json", report)
    for name, value in report["metrics"].items():
        print(f"{name} {'not defined' if value is None else f'{value:.4f}'}")


def _classes(
    job: Job, options: EvaluateSpec, outputs: Tensor, target: Tensor, labels: Sequence[str]
) -> tuple[dict[str, Any], Measure]:
    names = options.names("classification")
    found = classified(outputs, target, options.average, options.threshold)
    sure = found.probabilities.gather(1, found.predicted[:, None])[:, 0]
    bins = calibration.table(sure, found.predicted == found.target, options.calibration_bins)
    actual, predicted = ([labels[i] for i in v.tolist()] for v in (found.target, found.predicted))
    plots = job.outputs / "plots"
    _csv(plots / "confusion.csv", ("actual", "predicted"), zip(actual, predicted, strict=True))
    rows = ((f"{b.confidence:.6f}", f"{b.accuracy:.6f}", b.count) for b in bins)
    _csv(plots / "calibration.csv", ("confidence", "accuracy", "count"), rows)
    _predictions(
        job,
        {"actual": actual, "predicted": predicted, "confidence": sure.tolist(),
         "probabilities": found.probabilities.tolist()},
    )  # fmt: skip

    def measure(numbers: Tensor) -> dict[str, float | None]:
        return of_classified(names, _some(found, numbers))

    report = {
        "task": "classification",
        "split": "test",
        "rows": len(target),
        "metrics": of_classified(names, found),
        "per_class": dict(zip(labels, per_class(found), strict=True)),
        "slices": {},
        "calibration": {"ece": calibration.error(bins)},
    }
    return report, measure


def _some(found: Classified, rows: Tensor) -> Classified:
    return Classified(found.probabilities[rows], found.predicted[rows], found.target[rows], found.average)


def _numbers(job: Job, options: EvaluateSpec, outputs: Tensor, target: Tensor) -> tuple[dict[str, Any], Measure]:
    names, values = options.names("regression"), outputs.double().reshape(-1)
    pairs = {"actual": target.tolist(), "predicted": values.tolist()}
    _csv(job.outputs / "plots" / "fit.csv", tuple(pairs), zip(*pairs.values(), strict=True))
    _predictions(job, pairs)

    def measure(numbers: Tensor) -> dict[str, float | None]:
        return scores("regression", names, values[numbers], target[numbers])

    report = {
        "task": "regression",
        "split": "test",
        "rows": len(target),
        "metrics": scores("regression", names, values, target),
        "per_class": {},
        "slices": {},
        "calibration": None,
    }
    return report, measure


def _slices(options: EvaluateSpec, table: Any, target: dict[str, Any], measure: Measure) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, how in options.cuts.items():
        for value, rows in _cut(name, how, table, target).items():
            metrics = measure(torch.tensor(rows)) if rows else {}
            found[f"{name}={value}"] = {"rows": len(rows), "metrics": metrics}
    return found


def _cut(name: str, how: Slice, table: Any, target: dict[str, Any]) -> dict[str, list[int]]:
    column = how.column or name
    if column not in table.column_names:
        help = suggest(column, table.column_names, "the columns are")
        raise StageError(f"evaluate.slices: the data has no column `{column}`", help=help)
    values = table[column].to_pylist()
    if column == target["column"] and target.get("labels"):
        values = [target["labels"][value] for value in values]
    try:
        return cut(values, how)
    except ValueError as error:
        raise StageError(f"evaluate.slices: `{name}` cannot be cut so: {error}", help="change `by` or `bins`") from None


def _predictions(job: Job, columns: dict[str, list[Any]]) -> None:
    path = job.outputs / "evaluate" / "predictions.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, compression="zstd")


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    write_text(path, text.getvalue())


def gate(job: Job) -> None:
    """Run the stage `gate`: write gates.json, and stop the line where a bound is missed."""
    evaluation = json.loads((job.inputs / "metrics" / "evaluate.json").read_text(encoding="utf-8"))
    gates = [_held(text, bound, evaluation) for text, bound in job.need(EvaluateSpec).gates.items()]
    missed = [g for g in gates if not g["passed"]]
    write_json(job.outputs / "metrics" / "gates.json", {"passed": not missed, "gates": gates})
    lines = [f"{g['metric']} is {_shown(g)}, {'needed' if g in missed else 'as needed'} {g['bound']}" for g in gates]
    print("\n".join(lines))
    if missed:
        many = f"{len(missed)} of {len(gates)} gates are missed" if len(gates) > 1 else "the gate is missed"
        texts = "\n  ".join(line for line, g in zip(lines, gates, strict=True) if g in missed)
        raise StageError(
            f"{many}:\n  {texts}",
            help="improve the model or the data (wrong predictions: artifacts/evaluate/predictions.parquet) and run "
            "`mlspec apply` again;\nor, if the model is good enough, change the bound in evaluate.gates: only the gate "
            "will run again",
        )


def _held(text: str, bound: str, evaluation: dict[str, Any]) -> dict[str, Any]:
    """One gate's entry in gates.json: the value, or of several slices that which is furthest from the bound."""
    target = parse(text)
    values = measured(target, evaluation) if target else {}
    if not values:
        raise StageError(
            f"nothing measured `{text}`, which evaluate.gates bounds",
            help="name the metrics, labels and slices of artifacts/metrics/evaluate.json, or remove the gate",
        )
    # A slice without a value (one class only, say) is passed over where others have one.
    known = {name: value for name, value in values.items() if value is not None} or values
    rising = bound.startswith(">")
    judged = sorted(
        (value is not None and holds(bound, value), (value or 0.0) * (1 if rising else -1), name)
        for name, value in known.items()
    )
    passed, _, worst = judged[0]
    entry = {"metric": text, "bound": bound, "value": known[worst], "passed": passed}
    return entry | ({"slice": worst} if len(values) > 1 else {})


def _shown(entry: dict[str, Any]) -> str:
    value = "not defined on these rows" if entry["value"] is None else f"{entry['value']:.4g}"
    return f"{value} ({entry['slice']})" if "slice" in entry else value
