"""The export part: can the graph be written and served as the spec asks? The stage `export`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlspec.diagnostics import Finding
from mlspec.parts.evaluate.part import PASSED, code
from mlspec.parts.export.opsets import EXPORTED, newest
from mlspec.parts.package.serving_pins import ONNXRUNTIME
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.plan.stage import Output, Stage
from mlspec.sections.data import DataSpec
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.export import ExportSpec
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "export"
SECTIONS = {"export": ExportSpec}
PROGRAMS = {"export": "mlspec.parts.export.work:main"}
BUNDLE = "artifacts/bundle"


def check(project: Project) -> Iterator[Finding]:
    """What the section's model cannot see."""
    options = project.get(ExportSpec)
    if options is None:
        return
    if "train" not in project.sections:
        message = "there is no model to export: the spec has no `train` section"
        yield Finding("section-needed", ("export",), message, "add `train:`; empty, it means all defaults", on="key")
    yield from _opset(options.onnx.opset)
    if options.onnx.max_metric_drop is not None and options.onnx.quantize == "none":
        message = "without `quantize` the metric does not drop: the graph must agree with PyTorch within `tolerance`"
        at = ("export", "onnx", "max_metric_drop")
        yield Finding("conflicting-options", at, message, "remove it, or add `quantize: int8`")


def _opset(opset: int) -> Iterator[Finding]:
    at, served = ("export", "onnx", "opset"), newest(ONNXRUNTIME)
    if opset not in EXPORTED:
        message = f"PyTorch's exporter writes the opsets {EXPORTED[0]} to {EXPORTED[-1]}, not {opset}"
        yield Finding("unfit-opset", at, message, f"leave the key out to use {EXPORTED[0]}, which every runtime reads")
    elif opset > served:
        message = f"ONNX Runtime {ONNXRUNTIME}, which serves the model, reads opsets up to {served}, not {opset}"
        yield Finding("unfit-opset", at, message, f"set it to {served} or lower")


def stages(project: Project) -> Iterable[Stage]:
    """The stage `export`; behind the gates where the spec sets any."""
    options, data, evaluate = project.get(ExportSpec), project.get(DataSpec), project.get(EvaluateSpec)
    if options is None or data is None:
        return
    inputs = ["model/best.ckpt", "model/preprocess", "data/test.parquet", "data/schema.json", "data/profile.json"]
    if options.onnx.quantize == "int8":
        inputs.append("data/train.parquet")
    gates = [PASSED] if evaluate is not None and evaluate.gates else []
    settings = ("evaluate.metrics", "evaluate.average", "evaluate.threshold") if evaluate is not None else ()
    yield Stage(
        "export",
        "Export to ONNX, and prove that it answers the same",
        NAME,
        inputs=(*(f"artifacts/{path}" for path in inputs), *code(project), *gates),
        outputs=(Output(BUNDLE), Output("artifacts/metrics/export.json", "metric", cache=False)),
        params=("export.onnx", "project.name", *settings),
    )
