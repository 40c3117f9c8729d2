"""The stage `export` on trained projects: what it makes, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspec.errors import StageError
from tests.parts.projects import Applied

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
pq = pytest.importorskip("pyarrow.parquet")

from mlspec.parts.export.onnx_graph import refusal, write  # noqa: E402
from mlspec.parts.export.work import loaded, proved  # noqa: E402
from mlspec.records.profile import Profile  # noqa: E402
from mlspec.runtime import Predictor  # noqa: E402
from mlspec.shipping.bundle_signing import verify  # noqa: E402

Trained = Callable[..., Applied]
pytestmark = pytest.mark.slow


def report(project: Applied) -> Any:
    return json.loads((project.artifacts / "metrics/export.json").read_text())


def test_text(trained: Trained) -> None:
    project = trained("text", "evaluate: {metrics: [mcc]}\nexport: {onnx: {batch_sizes: [1, 3, 64]}}\n")
    project.run("evaluate", "export")
    result = report(project)
    bundle = project.artifacts / "bundle"
    assert sorted(p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()) == [
        "lineage.json", "model.onnx", "preprocess/preprocess.json", "preprocess/tokenizer.json", "profile.json",
        "signature.json",
    ]  # fmt: skip
    assert result["opset"] == 18
    assert result["size_bytes"] == (bundle / "model.onnx").stat().st_size
    assert result["int8"] is None
    assert result["parity"]["max_abs_difference"] < 1e-4
    checked = result["parity"]["checked"]
    assert {c["batch"] for c in checked} == {1, 3, 64}
    assert len({c["length"] for c in checked}) > 1
    assert result["metric"]["name"] == "mcc"
    assert result["metric"]["torch"] == result["metric"]["onnx"]
    graph = onnx.load(bundle / "model.onnx")
    shapes = {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.graph.input}
    assert shapes == {"input_ids": ["batch", "length"], "attention_mask": ["batch", "length"]}
    assert [o.name for o in graph.graph.output] == ["logits"]
    assert str(project.root).encode() not in (bundle / "model.onnx").read_bytes()
    assert b"site-packages" not in (bundle / "model.onnx").read_bytes()
    (answer,) = Predictor(bundle).predict([{"sentence": "the food was great"}])
    assert answer["label"] == "glad"


def test_two_exports_are_the_same_bytes(trained: Trained) -> None:
    project = trained("numbers", "export:\n")
    project.run("export")
    files = sorted(p for p in (project.artifacts / "bundle").rglob("*") if p.is_file())
    first = {p: p.read_bytes() for p in files}
    for path in files:
        os.utime(path, (0, 0))
    project.run("export")
    assert {p: p.read_bytes() for p in files} == first


def test_numbers_and_categories(trained: Trained) -> None:
    project = trained("numbers", "export: {onnx: {opset: 21}}\n")
    project.run("export")
    signature = json.loads((project.artifacts / "bundle/signature.json").read_text())
    median, town = (entry.pop("example") for entry in signature["inputs"])
    profile = Profile.read(project.artifacts).columns
    assert median == float(f"{profile['size'].quantiles['0.5']:.4g}")
    assert town == profile["town"].top[0].value
    assert signature == {
        "version": 1,
        "name": "prices",
        "task": "regression",
        "inputs": [{"name": "size", "type": "number"}, {"name": "town", "type": "category"}],
        "output": {"name": "price"},
        "graph": {"inputs": ["numbers", "categories"], "output": "logits"},
    }
    assert report(project)["opset"] == 21
    graph = onnx.load(project.artifacts / "bundle/model.onnx")
    assert [o.version for o in graph.opset_import if not o.domain] == [21]
    low, high = Predictor(project.artifacts / "bundle").predict(
        [{"size": -2.0, "town": "Bonn"}, {"size": 2.0, "town": "Bonn"}]
    )
    assert low["value"] < high["value"]


def test_a_module_of_the_users_whose_forward_takes_any_inputs(trained: Trained) -> None:
    project = trained("custom", "evaluate:\nexport:\n")
    project.run("evaluate", "export")
    assert report(project)["parity"]["max_abs_difference"] < 1e-4
    (answer,) = Predictor(project.artifacts / "bundle").predict([{"size": None, "town": "Bonn"}])
    assert np.isfinite(answer["value"])


@pytest.mark.parametrize("kind", ["text", "images"])
def test_int8(trained: Trained, kind: str) -> None:
    project = trained(kind, "export: {onnx: {quantize: int8, max_metric_drop: 0.1}}\n")
    project.run("export")
    result = report(project)
    assert result["int8"]["size_bytes"] == (project.artifacts / "bundle/model.onnx").stat().st_size
    assert result["int8"]["size_bytes"] < result["size_bytes"]
    assert result["int8"]["drop"] <= 0.1
    operators = {n.op_type for n in onnx.load(project.artifacts / "bundle/model.onnx").graph.node}
    assert operators & {"MatMulInteger", "QuantizeLinear", "DynamicQuantizeLinear"}


def test_int8_that_costs_too_much_is_refused(trained: Trained) -> None:
    project = trained("numbers", "evaluate: {metrics: [mae]}\nexport: {onnx: {quantize: int8, max_metric_drop: 0}}\n")
    with pytest.raises(StageError, match=r"with int8, mae falls from .* the maximum drop is 0") as caught:
        project.run("export")
    assert "max_metric_drop" in caught.value.help
    assert not (project.artifacts / "bundle").exists()


def test_a_graph_beyond_its_size_is_refused(trained: Trained) -> None:
    project = trained("numbers", "export: {onnx: {max_size: 1KB}}\n")
    with pytest.raises(StageError, match=r"model.onnx has [\d,]+ bytes, the limit is 1KB"):
        project.run("export")
    assert not (project.artifacts / "bundle").exists()


def flip_a_weight(path: Path) -> None:
    graph = onnx.load(path)
    weight = max(graph.graph.initializer, key=lambda t: int(np.prod(t.dims)))
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[np.abs(values).argmax()] *= -1
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(graph, path)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def other_words(path: Path) -> None:
    path.write_bytes(b"this is no graph")


@pytest.mark.parametrize("damage", [flip_a_weight, cut_short, other_words])
def test_a_damaged_graph_is_refused(trained: Trained, damage: Callable[[Path], None]) -> None:
    project = trained("numbers", "export:\n")
    project.run("export")
    job = project.job()
    options = job.sections["export"].onnx  # type: ignore[attr-defined]
    trained_model = loaded(job)
    proved(options, trained_model, project.artifacts / "bundle")
    damage(project.artifacts / "bundle/model.onnx")
    with pytest.raises(StageError, match=r"differ by|cannot load"):
        proved(options, trained_model, project.artifacts / "bundle")


def test_serving_that_prepares_rows_otherwise_is_refused(trained: Trained) -> None:
    project = trained("numbers", "export:\n")
    job = project.job()
    model = loaded(job)
    from mlspec.parts.export import work

    folder = project.root / "bundle"
    (folder / "preprocess").mkdir(parents=True)
    write(model.module, model.rows, model.preprocess, 18, folder / "model.onnx", project.root)
    shutil.copytree(project.artifacts / "model/preprocess", folder / "preprocess", dirs_exist_ok=True)
    work.signature("x", model, Profile.read(project.artifacts).columns).write_file(folder / "signature.json")
    same = work.compared_metric(job, model, folder)
    assert same.torch == same.onnx
    path = folder / "preprocess/preprocess.json"
    path.write_text(path.read_text().replace('"mean": ', '"mean": 5'))
    assert work.compared_metric(job, model, folder).onnx > same.onnx


def test_lineage(trained: Trained) -> None:
    project = trained("numbers", 'evaluate: {gates: {r2: ">= 0.1"}}\nexport:\n')
    git = ["git", "-C", str(project.root), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "init", "-q", str(project.root)], check=True)
    (project.root / "dvc.lock").write_text("a: 1\n")
    subprocess.run([*git, "add", "mlproject.yaml", "dvc.lock"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    (project.root / "dvc.lock").write_text("a: 2\n")  # as each stage before the export does
    project.run("evaluate", "gate", "export")
    record = json.loads((project.artifacts / "bundle/lineage.json").read_text())
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert record["git"] == {"commit": head, "dirty": False}
    assert record["project"] == "prices"
    assert set(record["data"]) == {"train.parquet", "valid.parquet", "test.parquet", "schema.json"}
    assert record["metrics"]["evaluate"]["r2"] > 0.1
    assert record["metrics"]["gates"][0]["passed"] is True
    assert record["packages"]["torch"] == torch.__version__
    assert record["config"]["train"]["max_epochs"] == 12
    assert set(record["files"]) == {"model.onnx", "preprocess/preprocess.json", "profile.json", "signature.json"}


def test_a_threshold_reaches_serving(trained: Trained) -> None:
    project = trained("text", "evaluate: {threshold: 0.95}\nexport:\n")
    project.run("export")
    predictor = Predictor(project.artifacts / "bundle")
    rows = pq.read_table(project.artifacts / "data/test.parquet", columns=["sentence"]).to_pylist()
    for answer in predictor.predict(rows):
        assert answer["label"] == ("glad" if answer["probabilities"]["glad"] >= 0.95 else "sad")


class Branching(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    def forward(self, numbers: Any, categories: Any) -> Any:
        if numbers.sum() > 0:
            return numbers[:, 0]
        return -numbers[:, 0]


class Fixed(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    def forward(self, numbers: Any, categories: Any) -> Any:
        return numbers.reshape(3)


class Unknown(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    def forward(self, numbers: Any, categories: Any) -> Any:
        return torch.linalg.eigvals(numbers.T @ numbers).real.sum() * numbers[:, 0]


@pytest.mark.parametrize(
    ("module", "message", "help"),
    [
        (Branching(), "in forward: if numbers.sum", "torch.where"),
        (Fixed(), "a static shape of 3", "tensor.shape"),
        (Unknown(), "aten.linalg_eig", "does not support this operator"),
    ],
)
def test_what_the_exporter_cannot_read(trained: Trained, module: Any, message: str, help: str) -> None:
    project = trained("numbers", "export:\n")
    model = loaded(project.job())
    # These modules lie in this file; so this folder is taken for the project.
    with pytest.raises(StageError, match=message) as caught:
        write(module, model.rows, model.preprocess, 18, project.root / "x.onnx", Path(__file__).parent)
    assert caught.value.message.startswith("cannot export the model")
    assert help in caught.value.help
    assert len(caught.value.message.splitlines()) <= 3


def test_a_refusal_without_words_is_still_one() -> None:
    assert "ValueError" in refusal(ValueError(), Path("/")).message


def test_the_old_bundle_is_kept_if_the_new_one_is_refused(trained: Trained) -> None:
    project = trained("numbers", "export: {onnx: {max_size: 9MB}}\n")
    project.run("export")
    bundle = project.artifacts / "bundle"
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    project.spec("max_size: 9MB", "max_size: 9B")
    with pytest.raises(StageError, match="the limit is 9B"):
        project.run("export")
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before


def test_a_trained_model_is_exported_signed_and_verified(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("model_signing")
    private = tmp_path / "model.pem"
    subprocess.run(["openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", private], check=True)
    key = "{private: {env: SIGNING_KEY}, public: keys/model.pem}"
    project = trained("numbers", f"export: {{sign: {{key: {key}}}}}\n")
    (project.root / "keys").mkdir()
    public = project.root / "keys" / "model.pem"
    subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    monkeypatch.setenv("SIGNING_KEY", str(private))
    project.run("export")
    verify(project.job())
    graph = project.artifacts / "bundle" / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[-1] ^= 1
    graph.write_bytes(content)
    with pytest.raises(StageError, match=r"artifacts/bundle/model\.onnx has changed"):
        verify(project.job())
