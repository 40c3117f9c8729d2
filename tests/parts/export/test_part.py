"""Checks and the stage of the export part."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.parts.export.opsets import EXPORTED, newest
from mlspec.parts.package.serving_pins import ONNXRUNTIME
from tests.parts.evaluate.test_part import CLASSES, codes, diagnostics_of


@pytest.mark.parametrize("opset", [EXPORTED[0], EXPORTED[-1]])
def test_opsets_that_can_be_written_and_served(tmp_path: Path, opset: int) -> None:
    assert codes(tmp_path, CLASSES + f"export: {{onnx: {{opset: {opset}}}}}\n") == []


@pytest.mark.parametrize("opset", [7, 17, 24, 99])
def test_opsets_that_cannot(tmp_path: Path, opset: int) -> None:
    (result,) = diagnostics_of(tmp_path, CLASSES + f"export: {{onnx: {{opset: {opset}}}}}\n")
    assert result.code == "unfit-opset"
    assert str(opset) in result.message


def test_the_newest_opset_of_a_release() -> None:
    assert newest("1.20.1") == 21
    assert newest("1.22.0") == 22
    assert newest("1.25.3") == 25
    assert newest("1.19.2") == 21


def test_the_serving_release_reads_what_the_table_says() -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    if onnxruntime.__version__ != ONNXRUNTIME:
        pytest.skip(f"installed is onnxruntime {onnxruntime.__version__}, served with {ONNXRUNTIME}")

    def loads(opset: int) -> bool:
        x, y = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1]) for n in "xy")
        graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)
        try:
            onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        except Exception as error:
            assert "opset" in str(error).lower()
            return False
        return True

    assert loads(newest(ONNXRUNTIME))
    assert not loads(newest(ONNXRUNTIME) + 1)


def test_settings_that_exclude_each_other(tmp_path: Path) -> None:
    spec = CLASSES + "export: {onnx: {max_metric_drop: 0.01}}\n"
    assert codes(tmp_path, spec) == ["conflicting-options"]
    assert codes(tmp_path, spec.replace("max_metric", "quantize: int8, max_metric")) == []
    assert codes(tmp_path, CLASSES + "export: {onnx: {max_size: 5 megs}}\n") == ["bad-format"]
    assert codes(tmp_path, CLASSES.replace("train:\n", "") + "export:\n") == ["section-needed"]


def test_the_stage_depends_on_the_gates(tmp_path: Path) -> None:
    path = tmp_path / "mlproject.yaml"
    path.write_text(CLASSES + 'evaluate: {gates: {mcc: ">= 0.1"}}\nexport: {onnx: {quantize: int8}}\n')
    stage = compile_project(path).plan.stage("export")
    assert stage is not None
    assert "artifacts/evaluate/passed.json" in stage.inputs
    assert "artifacts/data/train.parquet" in stage.inputs
    path.write_text(CLASSES + "export:\n")
    stage = compile_project(path).plan.stage("export")
    assert stage is not None
    assert "artifacts/evaluate/passed.json" not in stage.inputs
    assert "artifacts/data/train.parquet" not in stage.inputs
