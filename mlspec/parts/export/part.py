"""The export part: the stage `export`, and checks that the graph can be exported and served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlspec.diagnostics import Finding
from mlspec.parts.bundle_path import BUNDLE
from mlspec.parts.evaluate.part import PASSED, code
from mlspec.parts.export.opsets import EXPORTED, newest
from mlspec.parts.package.serving_pins import ONNXRUNTIME
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.plan.stage import Output, Stage
from mlspec.sections.data import DataSpec
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.export import ExportSpec
from mlspec.sections.signature_files import signature_files
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "artifacts", "check", "stages"]

NAME = "export"
PROGRAMS = {"export": "mlspec.parts.export.work:main"}


def check(project: Project) -> Iterator[Finding]:
    """Findings that need the whole project."""
    options = project.get(ExportSpec)
    if options is None:
        return
    if "train" not in project.sections:
        message = "`export` needs a trained model, but the spec has no `train` section"
        yield Finding("section-needed", ("export",), message, "add `train:` (empty for the defaults)", on="key")
    yield from _opset(options.onnx.opset)
    if options.sign is not None and (options.sign.key is None) == (options.sign.keyless is None):
        message = "`export.sign` needs one of `key` and `keyless`"
        help = "for example `sign: {key: {private: {env: MODEL_SIGNING_KEY}, public: keys/model.pem}}`"
        yield Finding("conflicting-options", ("export", "sign"), message, help, on="key")
    if options.onnx.max_metric_drop is not None and options.onnx.quantize == "none":
        message = (
            "`max_metric_drop` only applies with `quantize`; without it `tolerance` limits the difference to PyTorch"
        )
        at = ("export", "onnx", "max_metric_drop")
        yield Finding("conflicting-options", at, message, "remove it, or add `quantize: int8`")


def _opset(opset: int) -> Iterator[Finding]:
    at, served = ("export", "onnx", "opset"), newest(ONNXRUNTIME)
    if opset not in EXPORTED:
        message = f"PyTorch exports the opsets {EXPORTED[0]} to {EXPORTED[-1]}, not {opset}"
        yield Finding("unfit-opset", at, message, f"remove the key to use {EXPORTED[0]}, which every runtime supports")
    elif opset > served:
        message = f"ONNX Runtime {ONNXRUNTIME}, which serves the model, supports opsets up to {served}, not {opset}"
        yield Finding("unfit-opset", at, message, f"set it to {served} or lower")


def stages(project: Project) -> Iterable[Stage]:
    """The stage `export`, after the gates if the spec has any."""
    options, data, evaluate = project.get(ExportSpec), project.get(DataSpec), project.get(EvaluateSpec)
    if options is None or data is None:
        return
    inputs = ["model/best.ckpt", "model/preprocess", "data/test.parquet", "data/schema.json", "data/profile.json"]
    if options.onnx.quantize == "int8":
        inputs.append("data/train.parquet")
    gates = [PASSED] if evaluate is not None and evaluate.gates else []
    signed = signature_files(project)
    settings = ("evaluate.metrics", "evaluate.average", "evaluate.threshold") if evaluate is not None else ()
    yield Stage(
        "export",
        "Export the model to ONNX, and compare its predictions",
        NAME,
        inputs=(*(f"artifacts/{path}" for path in inputs), *code(project), *gates, *signed[1:]),
        outputs=(
            Output(BUNDLE),
            *(Output(path, cache=False) for path in signed[:1]),
            Output("artifacts/metrics/export.json", "metric", cache=False),
        ),
        params=("export.onnx", *(("export.sign",) if signed else ()), "project.name", *settings),
        needs=("extra:sign",) if signed else (),
        version=2,  # the signature has example values
    )
