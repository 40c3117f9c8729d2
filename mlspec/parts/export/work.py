"""The stage `export`: the best checkpoint to a bundle, refused where it does not answer as the trained model does."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlspec.errors import StageError
from mlspec.job import Job, fresh, swap, user_code
from mlspec.learning.build import load_module
from mlspec.learning.infer import checked, logits
from mlspec.learning.metrics import scores
from mlspec.learning.prepare import kept as kept_preprocess
from mlspec.learning.split_rows import Rows, load
from mlspec.parts.export.bundle_lineage import read_lineage
from mlspec.parts.export.onnx_graph import OUTPUT, write
from mlspec.parts.export.parity import batches, compare, opened, ran, within
from mlspec.parts.export.quantize import int8
from mlspec.records.bundle_signature import BundleSignature, SignatureGraph, SignatureInput, SignatureOutput
from mlspec.records.export import Checked, Compared, Export, Int8, Parity
from mlspec.records.schema import Schema
from mlspec.runtime.preprocess import Preprocess
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.export import ExportSpec, Onnx
from mlspec.sections.metric_names import LOWER_IS_BETTER, Task
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import size_bytes

GRAPH = "model.onnx"
METRIC_TOLERANCE = 0.005
"""What ties that fall the other way may change in a metric when all outputs agree."""
DEFAULT_DROP = 0.01


@dataclass(frozen=True)
class Trained:
    """What is exported, and the rows that it is proved on."""

    module: nn.Module
    preprocess: Preprocess
    rows: Rows
    outputs: np.ndarray[Any, Any]
    """The module's raw outputs for the rows."""
    schema: Schema

    @property
    def task(self) -> Task:
        """What kind of prediction it makes."""
        return self.schema.task


def main(job: Job) -> None:
    """Run the stage. The bundle appears whole, and only when every proof has held."""
    trained = loaded(job)
    partial = fresh(job.outputs / "bundle")
    report = _made(job, trained, partial)
    read_lineage(job, partial).write_file(partial / "lineage.json")
    swap(partial, job.outputs / "bundle")
    report.write(job.outputs)


def loaded(job: Job) -> Trained:
    """The best checkpoint, and the test split."""
    schema = Schema.read(job.inputs)
    preprocess = kept_preprocess(job.inputs / "model" / "preprocess")
    module = load_module(job.inputs / "model", schema, job.root)
    rows = load(job.inputs / "data", "test", preprocess)
    with user_code(job.root, "the model's forward"):
        outputs = logits(module, rows, preprocess)
    checked(outputs, len(schema.labels))
    return Trained(module, preprocess, rows, outputs, schema)


def _made(job: Job, trained: Trained, bundle: Path) -> Export:
    """Fill the bundle and prove it."""
    options = job.need(ExportSpec).onnx
    write(trained.module, trained.rows, trained.preprocess, options.opset, bundle / GRAPH, job.root)
    shutil.copytree(job.inputs / "model" / "preprocess", bundle / "preprocess", ignore=shutil.ignore_patterns("fitted"))
    shutil.copyfile(job.inputs / "data" / "profile.json", bundle / "profile.json")
    threshold = (job.get(EvaluateSpec) or EvaluateSpec()).threshold
    signature(job.need(ProjectInfo).name, trained, threshold).write_file(bundle / "signature.json")
    parity = proved(options, trained, bundle)
    metric = _metric(job, trained, bundle)
    print(f"{metric.name} {metric.torch:.4f} in PyTorch, {metric.onnx:.4f} in ONNX Runtime")
    if _worse(metric.name, metric.torch, metric.onnx) > METRIC_TOLERANCE * max(1.0, abs(metric.torch)):
        raise StageError(
            f"{metric.name} falls from {metric.torch:.4g} to {metric.onnx:.4g} in ONNX Runtime",
            help="serving prepares the rows otherwise than training did: run the train stage again",
        )
    size = (bundle / GRAPH).stat().st_size
    small = _quantized(job, options, trained, bundle, metric) if options.quantize == "int8" else None
    _fits(options, bundle / GRAPH)
    return Export(opset=options.opset, parity=parity, metric=metric, size_bytes=size, int8=small)


def signature(name: str, trained: Trained, threshold: float = 0.5) -> BundleSignature:
    """The signature of the bundle. A `threshold` only has a meaning with two labels."""
    labels, column = trained.schema.labels, trained.schema.target.column
    classifies = trained.task == "classification"
    return BundleSignature(
        name=name,
        task=trained.task,
        inputs=tuple(
            SignatureInput(
                name=name, type=column.type, channels=column.channels, height=column.height, width=column.width
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
    """Compare the bundle on disk with the trained module. Raises StageError beyond the tolerance."""
    predictor = opened(bundle)
    compared = compare(trained.module, predictor, trained.rows, trained.preprocess, options.batch_sizes)
    within(compared, options.tolerance)
    worst = max(c.difference for c in compared)
    print(f"parity: largest difference {worst:.2e} in {len(compared)} batches")
    checked = tuple(Checked(batch=c.batch, length=c.length, difference=c.difference) for c in compared)
    return Parity(max_abs_difference=worst, checked=checked)


def _metric(job: Job, trained: Trained, bundle: Path) -> Compared:
    """The first metric of the spec that has a value, by PyTorch and by the bundle, each preparing all test rows."""
    names = (job.get(EvaluateSpec) or EvaluateSpec()).names(trained.task)
    # A metric without a value on these rows (mape of a zero) proves nothing.
    name = next((n for n in names if _score(job, trained, n, trained.outputs) is not None), names[0])
    torch_value = _score(job, trained, name, trained.outputs)
    onnx_value = _score(job, trained, name, answers(trained, bundle))
    if torch_value is None or onnx_value is None:
        raise StageError(
            f"none of {', '.join(names)} is defined on the {len(trained.rows)} test rows",
            help="add accuracy (for a number: mae) to evaluate.metrics, or get more test rows",
        )
    return Compared(name=name, torch=torch_value, onnx=onnx_value)


def answers(trained: Trained, bundle: Path) -> np.ndarray[Any, Any]:
    """The bundle's raw outputs for the test rows as requests would have them."""
    rows = trained.rows.table.select(list(trained.schema.inputs)).to_pylist()
    return opened(bundle).logits(rows)


def _score(job: Job, trained: Trained, name: str, outputs: np.ndarray[Any, Any]) -> float | None:
    options = job.get(EvaluateSpec) or EvaluateSpec()
    targets = torch.from_numpy(trained.rows.targets)
    values = torch.from_numpy(np.ascontiguousarray(outputs))
    return scores(trained.task, [name], values, targets, average=options.average, threshold=options.threshold)[name]


def _worse(name: str, before: float, after: float) -> float:
    """How much worse `after` is; below 0 where it is better."""
    return after - before if name in LOWER_IS_BETTER else before - after


def _quantized(job: Job, options: Onnx, trained: Trained, bundle: Path, metric: Compared) -> Int8:
    """Put the int8 graph in the float graph's place, if the metric allows."""
    small = bundle / "int8.onnx"
    calibration = load(job.inputs / "data", "train", trained.preprocess)
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
        shown = "no number" if value is None else f"{value:.4g}"
        raise StageError(
            f"with int8, {metric.name} falls from {metric.torch:.4g} to {shown}, more than {allowed:g}",
            help="raise export.onnx.max_metric_drop if that is good enough, or remove `quantize`",
        )
    size = (bundle / GRAPH).stat().st_size
    print(f"int8: {metric.name} {value:.4f}, {size:,} bytes")
    return Int8(metric=value, drop=drop, size_bytes=size)


def _fits(options: Onnx, graph: Path) -> None:
    size = graph.stat().st_size
    if options.max_size is not None and size > size_bytes(options.max_size):
        help = "use `quantize: int8`, a smaller model, or a larger export.onnx.max_size"
        raise StageError(
            f"model.onnx has {size:,} bytes, more than {options.max_size}",
            help=help if options.quantize == "none" else help.removeprefix("use `quantize: int8`, ").capitalize(),
        )
