"""The stage `evaluate`: the trained model on the test split to metrics, plots and predictions."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from mlspec.errors import StageError
from mlspec.job import Job, user_code, whole, write_text
from mlspec.learning.build import load_module
from mlspec.learning.devices import of_evaluation
from mlspec.learning.infer import checked, logits
from mlspec.learning.metrics import Classified, classified, of_classified, per_class, scores
from mlspec.learning.out_of_memory import MORE_MEMORY, memory_sentence
from mlspec.learning.prepare import load_fitted
from mlspec.learning.split_rows import load, texts_cut
from mlspec.learning.threads import limit_threads
from mlspec.parts.evaluate import baseline, calibration
from mlspec.parts.evaluate.slices import cut, unknown
from mlspec.parts.evaluate.undefined_metrics import reasons
from mlspec.records import evaluation as records
from mlspec.records.evaluation import Calibration, Evaluation
from mlspec.records.schema import Schema, TargetSchema
from mlspec.sections.evaluate import EvaluateSpec, Slice
from mlspec.stage_result import decide, warn

Measure = Callable[[Tensor], dict[str, float | None]]
"""Computes the metrics of the rows with these numbers."""


@memory_sentence(MORE_MEMORY)
def main(job: Job) -> None:
    """Run the stage `evaluate`."""
    limit_threads()
    options, data = job.need(EvaluateSpec), job.inputs / "data"
    schema = Schema.read(job.inputs)
    module = load_module(job.inputs / "model", schema, job.root)
    preprocess = load_fitted(job.inputs / "model" / "preprocess")
    rows = load(data, "test", preprocess, job.scratch)
    for message in texts_cut(rows, preprocess, "test"):
        warn(message)
    with user_code(job.root, "the model's forward"):
        outputs = logits(module, rows, preprocess, options.batch_size, of_evaluation(job))
    labels = schema.labels
    checked(outputs, len(labels))
    values = torch.from_numpy(outputs)
    if labels:
        report, measure = _classes(job, options, values, torch.from_numpy(rows.targets), labels)
    else:
        actual = rows.table[schema.target.column].to_numpy()
        report, measure = _numbers(job, options, values, torch.from_numpy(actual.astype(np.float64)))
    undefined = reasons(report.metrics, rows.table[schema.target.column].to_pylist())
    slices = _slices(options, rows.table, schema.target, measure)
    report.model_copy(update={"slices": slices, "undefined": undefined}).write(job.outputs)
    for name, value in report.metrics.items():
        print(f"{name} {f'undefined: {undefined[name]}' if value is None else f'{value:.4f}'}")
    if report.constant and (warning := baseline.no_better(report.metrics, report.constant)):
        warn(warning)


def _classes(
    job: Job, options: EvaluateSpec, outputs: Tensor, target: Tensor, labels: Sequence[str]
) -> tuple[Evaluation, Measure]:
    names = options.names("classification")
    if about := baseline.about(names, labels, options.average):
        decide(f"metrics  {about}")
    predictions = classified(outputs, target, options.average, options.threshold)
    sure = predictions.probabilities.gather(1, predictions.predicted[:, None])[:, 0]
    bins = calibration.table(sure, predictions.predicted == predictions.target, options.calibration_bins)
    actual, predicted = ([labels[i] for i in v.tolist()] for v in (predictions.target, predictions.predicted))
    if warning := baseline.single_answer(predicted, labels, actual):
        warn(warning)
    plots = job.outputs / "plots"
    _csv(plots / "confusion.csv", ("actual", "predicted"), zip(actual, predicted, strict=True))
    rows = ((f"{b.confidence:.6f}", f"{b.accuracy:.6f}", b.count) for b in bins)
    _csv(plots / "calibration.csv", ("confidence", "accuracy", "count"), rows)
    write_predictions(
        job,
        {
            "actual": actual,
            "predicted": predicted,
            "confidence": sure.tolist(),
            "probabilities": predictions.probabilities.tolist(),
        },
    )

    def measure(numbers: Tensor) -> dict[str, float | None]:
        return of_classified(names, _some(predictions, numbers))

    report = Evaluation(
        task="classification",
        rows=len(target),
        metrics=of_classified(names, predictions),
        constant=baseline.label(names, predictions, labels),
        per_class=dict(zip(labels, per_class(predictions), strict=True)),
        calibration=Calibration(ece=calibration.error(bins)),
    )
    return report, measure


def _some(predictions: Classified, rows: Tensor) -> Classified:
    return Classified(
        predictions.probabilities[rows], predictions.predicted[rows], predictions.target[rows], predictions.average
    )


def _numbers(job: Job, options: EvaluateSpec, outputs: Tensor, target: Tensor) -> tuple[Evaluation, Measure]:
    names, values = options.names("regression"), outputs.double().reshape(-1)
    pairs = {"actual": target.tolist(), "predicted": values.tolist()}
    _csv(job.outputs / "plots" / "fit.csv", tuple(pairs), zip(*pairs.values(), strict=True))
    write_predictions(job, pairs)

    def measure(numbers: Tensor) -> dict[str, float | None]:
        return scores("regression", names, values[numbers], target[numbers])

    report = Evaluation(
        task="regression",
        rows=len(target),
        metrics=scores("regression", names, values, target),
        constant=baseline.number(names, target),
    )
    return report, measure


def _slices(
    options: EvaluateSpec, table: pa.Table, target: TargetSchema, measure: Measure
) -> dict[str, records.SliceMetrics]:
    metrics_of: dict[str, records.SliceMetrics] = {}
    for name, how in options.cuts.items():
        for value, rows in _cut(name, how, table, target).items():
            metrics = measure(torch.tensor(rows)) if rows else {}
            metrics_of[f"{name}={value}"] = records.SliceMetrics(rows=len(rows), metrics=metrics)
    return metrics_of


def _cut(name: str, how: Slice, table: pa.Table, target: TargetSchema) -> dict[str, list[int]]:
    if missing := unknown({name: how}, table.column_names):
        raise StageError(missing[0], help=missing[1])
    column = how.column or name
    values = table[column].to_pylist()
    if column == target.column and target.labels:
        values = [target.labels[value] for value in values]
    try:
        return cut(values, how)
    except ValueError as error:
        raise StageError(
            f"evaluate.slices: cannot slice the rows by `{name}`: {error}", help="change `by` or `bins`"
        ) from None


def write_predictions(job: Job, columns: Mapping[str, Sequence[object]]) -> None:
    """Write `evaluate/predictions.parquet`, one row for each row of the test split, whole or not at all."""
    with whole(job.outputs / "evaluate" / "predictions.parquet") as partial:
        pq.write_table(pa.table(columns), partial, compression="zstd")


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    write_text(path, text.getvalue())
