"""The stage `export`: the best checkpoint to a bundle, which has to give the predictions of the trained model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mlspec.errors import StageError
from mlspec.job import Job, fresh, swap, user_code
from mlspec.learning.build import load_module
from mlspec.learning.devices import of_evaluation
from mlspec.learning.infer import checked, logits
from mlspec.learning.metrics import scores
from mlspec.learning.out_of_memory import MORE_MEMORY, memory_sentence
from mlspec.learning.prepare import load_fitted
from mlspec.learning.split_rows import Rows, load
from mlspec.parts.export import bundle_formats
from mlspec.parts.export.bundle_lineage import read_lineage
from mlspec.parts.export.example_values import typical
from mlspec.parts.export.onnx_graph import OUTPUT, write
from mlspec.parts.export.parity import batches, compare, opened, ran, within
from mlspec.parts.export.quantize import int8
from mlspec.records.bundle_signature import BundleSignature, SignatureGraph, SignatureInput, SignatureOutput
from mlspec.records.export import Checked, Compared, Export, Int8, Parity
from mlspec.records.profile import ColumnProfile, Profile
from mlspec.records.schema import Schema
from mlspec.runtime.preprocess import Preprocess
from mlspec.runtime.preprocess.base import Array
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.export import ExportSpec, Onnx
from mlspec.sections.metric_names import LOWER_IS_BETTER, Task
from mlspec.shipping import bundle_signing
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import size_bytes

GRAPH = "model.onnx"
METRIC_TOLERANCE = 0.005
"""Tolerance of the metric, because tiny differences of the outputs can change predictions of near-ties."""
DEFAULT_DROP = 0.01


@dataclass(frozen=True)
class Trained:
    """The model to export, and the test rows for its verification."""

    module: nn.Module
    preprocess: Preprocess
    rows: Rows
    outputs: Array
    """The raw outputs of the module for the rows."""
    schema: Schema

    @property
    def task(self) -> Task:
        """Classification or regression."""
        return self.schema.task


@memory_sentence(MORE_MEMORY)
def main(job: Job) -> None:
    """Run the stage. The bundle appears atomically, after all checks. Raises StageError if one fails."""
    trained = loaded(job)
    partial = fresh(job.outputs / "bundle")
    report = _fill(job, trained, partial)
    read_lineage(job, partial).write_file(partial / "lineage.json")
    bundle_formats.check(partial)
    swap(partial, job.outputs / "bundle")
    bundle_signing.sign(job)
    report.write(job.outputs)


def loaded(job: Job) -> Trained:
    """The best checkpoint and its outputs for the test split."""
    schema = Schema.read(job.inputs)
    preprocess = load_fitted(job.inputs / "model" / "preprocess")
    module = load_module(job.inputs / "model", schema, job.root)
    rows = load(job.inputs / "data", "test", preprocess, job.scratch)
    with user_code(job.root, "the model's forward"):
        outputs = logits(module, rows, preprocess, on=of_evaluation(job))
    checked(outputs, len(schema.labels))
    # The graph is exported from the CPU, and compared with the session on a CPU that serves.
    return Trained(module.cpu(), preprocess, rows, outputs, schema)


def _fill(job: Job, trained: Trained, bundle: Path) -> Export:
    """Write the files of the bundle and verify it."""
    options = job.need(ExportSpec).onnx
    write(trained.module, trained.rows, trained.preprocess, options.opset, bundle / GRAPH, job.root)
    shutil.copytree(job.inputs / "model" / "preprocess", bundle / "preprocess", ignore=shutil.ignore_patterns("fitted"))
    shutil.copyfile(job.inputs / "data" / "profile.json", bundle / "profile.json")
    threshold = (job.get(EvaluateSpec) or EvaluateSpec()).threshold
    columns = Profile.read(job.inputs).columns
    signature(job.need(ProjectInfo).name, trained, columns, threshold).write_file(bundle / "signature.json")
    parity = proved(options, trained, bundle)
    metric = compared_metric(job, trained, bundle)
    print(f"{metric.name} {metric.torch:.4f} in PyTorch, {metric.onnx:.4f} in ONNX Runtime")
    if _worse(metric.name, metric.torch, metric.onnx) > METRIC_TOLERANCE * max(1.0, abs(metric.torch)):
        raise StageError(
            f"{metric.name} falls from {metric.torch:.4g} to {metric.onnx:.4g} in ONNX Runtime",
            help="the preprocessing of serving and training differs; train again: mlspec apply --force train",
        )
    size = (bundle / GRAPH).stat().st_size
    small = _quantized(job, options, trained, bundle, metric) if options.quantize == "int8" else None
    _fits(options, bundle / GRAPH)
    return Export(opset=options.opset, parity=parity, metric=metric, size_bytes=size, int8=small)


def signature(
    name: str, trained: Trained, profile: Mapping[str, ColumnProfile], threshold: float = 0.5
) -> BundleSignature:
    """The signature of the bundle. A `threshold` only has a meaning with two labels."""
    labels, column = trained.schema.labels, trained.schema.target.column
    classifies = trained.task == "classification"
    return BundleSignature(
        name=name,
        task=trained.task,
        inputs=tuple(
            SignatureInput(
                name=name,
                type=column.type,
                example=typical(profile[name]),
                channels=column.channels,
                height=column.height,
                width=column.width,
            )
            for name, column in trained.schema.inputs.items()
        ),
        output=SignatureOutput(
            labels=labels if classifies else None,
            name="" if classifies else column,
            threshold=threshold if len(labels) == 2 and threshold != 0.5 else None,
        ),
        graph=SignatureGraph(inputs=tuple(trained.preprocess.names), output=OUTPUT),
    )


def proved(options: Onnx, trained: Trained, bundle: Path) -> Parity:
    """Compare the bundle with the trained module. Raises StageError if a difference exceeds the tolerance."""
    predictor = opened(bundle)
    compared = compare(trained.module, predictor, trained.rows, trained.preprocess, options.batch_sizes)
    within(compared, options.tolerance)
    worst = max(c.difference for c in compared)
    print(f"parity: maximum difference {worst:.2e} in {len(compared)} batches")
    checked = tuple(Checked(batch=c.batch, length=c.length, difference=c.difference) for c in compared)
    return Parity(max_abs_difference=worst, checked=checked)


def compared_metric(job: Job, trained: Trained, bundle: Path) -> Compared:
    """The first defined metric of the spec on the test rows, in PyTorch and in the bundle."""
    names = (job.get(EvaluateSpec) or EvaluateSpec()).names(trained.task)
    # A metric that is undefined on these rows (mape of a zero) cannot be compared.
    name = next((n for n in names if _score(job, trained, n, trained.outputs) is not None), names[0])
    torch_value = _score(job, trained, name, trained.outputs)
    onnx_value = _score(job, trained, name, answers(trained, bundle))
    if torch_value is None or onnx_value is None:
        raise StageError(
            f"none of {', '.join(names)} is defined on the {len(trained.rows)} test rows",
            help="add accuracy (for a number: mae) to evaluate.metrics, or add test rows",
        )
    return Compared(name=name, torch=torch_value, onnx=onnx_value)


def answers(trained: Trained, bundle: Path) -> Array:
    """The raw outputs of the bundle for the test rows, passed as in requests."""
    rows = trained.rows.table.select(list(trained.schema.inputs)).to_pylist()
    return opened(bundle).logits(rows)


def _score(job: Job, trained: Trained, name: str, outputs: Array) -> float | None:
    options = job.get(EvaluateSpec) or EvaluateSpec()
    targets = torch.from_numpy(trained.rows.targets)
    values = torch.from_numpy(np.ascontiguousarray(outputs))
    return scores(trained.task, [name], values, targets, average=options.average, threshold=options.threshold)[name]


def _worse(name: str, before: float, after: float) -> float:
    """How much worse `after` is; negative if it is better."""
    return after - before if name in LOWER_IS_BETTER else before - after


def _quantized(job: Job, options: Onnx, trained: Trained, bundle: Path, metric: Compared) -> Int8:
    """Replace the float graph with the int8 graph. Raises StageError if the metric drops too much."""
    small = bundle / "int8.onnx"
    calibration = load(job.inputs / "data", "train", trained.preprocess, job.scratch)
    int8(bundle / GRAPH, small, calibration.features, trained.preprocess)
    small.replace(bundle / GRAPH)
    predictor = opened(bundle)
    for chosen in batches(trained.rows, trained.preprocess, options.batch_sizes):
        features = [trained.rows.features[row] for row in chosen]
        ran(predictor, trained.preprocess.collate(features), len(chosen), max(map(trained.preprocess.length, features)))
    value = _score(job, trained, metric.name, answers(trained, bundle))
    drop = _worse(metric.name, metric.torch, value) if value is not None else float("inf")
    allowed = DEFAULT_DROP if options.max_metric_drop is None else options.max_metric_drop
    if value is None or drop > allowed:
        shown = "undefined" if value is None else f"{value:.4g}"
        raise StageError(
            f"with int8, {metric.name} falls from {metric.torch:.4g} to {shown}; the maximum drop is {allowed:g}",
            help="raise export.onnx.max_metric_drop if that is acceptable, or remove `quantize`",
        )
    size = (bundle / GRAPH).stat().st_size
    print(f"int8: {metric.name} {value:.4f}, {size:,} bytes")
    return Int8(metric=value, drop=drop, size_bytes=size)


def _fits(options: Onnx, graph: Path) -> None:
    size = graph.stat().st_size
    if options.max_size is not None and size > size_bytes(options.max_size):
        help = "use `quantize: int8`, a smaller model, or a larger export.onnx.max_size"
        raise StageError(
            f"model.onnx has {size:,} bytes, the limit is {options.max_size} (export.onnx.max_size)",
            help=help if options.quantize == "none" else help.removeprefix("use `quantize: int8`, ").capitalize(),
        )
