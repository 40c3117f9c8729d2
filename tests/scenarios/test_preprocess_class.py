"""`model.preprocess: {class}`: one preparation in training, evaluation, export and serving, beside a data module."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mlspec.errors import StageError
from mlspec.runtime.http import running
from mlspec.runtime.service import Request, load
from tests.conftest import CHECKOUT
from tests.pages import PageFile, steps
from tests.parts.projects import Applied, written

GUIDE = CHECKOUT / "docs" / "howto" / "own-model.md"
FROM_GUIDE: dict[str, str] = {step.path: step.text for step in steps(GUIDE) if isinstance(step, PageFile)}
"""The modules of the guide: what it shows works."""
DECLARED = re.findall(r"^```yaml\n(model:.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[-1]
STEPS_SHOWN = """
    def optimizer_step(self, *args, **kwargs):
        super().optimizer_step(*args, **kwargs)
        print("a step was taken")
"""
MODEL = FROM_GUIDE["src/net.py"] + STEPS_SHOWN
RAW = """

class Raw(Given):
    def inputs(self, rows):
        found = super().inputs(rows)
        return {**found, "size": 30.0 + 9 * torch.tensor([[row["size"] or 0.0] for row in rows])}
"""
SPEC = f"""\
project: {{name: prices}}
data:
  source: data/prices.csv
  inputs: {{size: number, town: category}}
  target: {{column: price, type: number}}
  split: {{valid: 0.2, test: 0.2}}
{DECLARED}train: {{max_epochs: 12}}
evaluate:
export:
test:
"""


@pytest.fixture(scope="module")
def template_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after the stage `data`: sizes around 12, some missing, and three towns."""
    import random

    draw = random.Random(8)
    towns = {"Bonn": 3.0, "Ulm": 1.0, "Hof": -2.0}
    lines = ["size,town,price"]
    for _ in range(240):
        size, town = draw.gauss(12, 4), draw.choice(list(towns))
        lines.append(f"{'' if draw.random() < 0.05 else f'{size:.3f}'},{town},{0.5 * size + towns[town]:.3f}")
    files: dict[str, str | bytes] = {
        "mlproject.yaml": SPEC,
        "data/prices.csv": "\n".join(lines) + "\n",
        "src/__init__.py": "",
        **FROM_GUIDE,
        "src/net.py": MODEL,
        "src/rows.py": FROM_GUIDE["src/rows.py"] + RAW,
    }
    project = written(tmp_path_factory.mktemp("own"), files)
    project.run("data")
    return project.root


@pytest.fixture(scope="module")
def applied(template_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Applied:
    """The same, trained, evaluated and exported."""
    root = tmp_path_factory.mktemp("own-applied") / "p"
    shutil.copytree(template_project, root)
    project = Applied(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        project.run("train", "evaluate", "export")
    return project


@pytest.fixture
def project(template_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Applied:
    shutil.copytree(template_project, tmp_path / "p")
    monkeypatch.chdir(tmp_path / "p")
    return Applied(tmp_path / "p")


def answers_over_http(bundle: Path, rows: list[dict[str, object]]) -> list[dict[str, float]]:
    """What the server answers over HTTP."""
    with running(load(bundle)) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/predict", json.dumps(rows), {"Content-Type": "application/json"})
        response = connection.getresponse()
        record: list[dict[str, float]] = json.loads(response.read())
        connection.close()
    assert response.status == 200, record
    return record


def test_the_server_answers_as_the_evaluation_did(applied: Applied) -> None:
    rows = pq.read_table(applied.artifacts / "data" / "test.parquet", columns=["size", "town"]).to_pylist()
    predicted = pq.read_table(applied.artifacts / "evaluate" / "predictions.parquet")["predicted"].to_pylist()
    metrics = json.loads((applied.artifacts / "metrics" / "evaluate.json").read_text(encoding="utf-8"))["metrics"]
    assert metrics["r2"] > 0.9
    answers = [answer["value"] for answer in answers_over_http(applied.artifacts / "bundle", rows)]
    assert answers == pytest.approx(predicted, abs=1e-4)


def test_the_bundle_has_the_code_and_the_state(applied: Applied) -> None:
    folder = applied.artifacts / "bundle" / "preprocess"
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert files == {"preprocess.json", "code/src/__init__.py", "code/src/prep.py", "code/src/scale.py"}
    (member,) = json.loads((folder / "preprocess.json").read_text(encoding="utf-8"))["members"]
    assert member["args"] == {"clip": 3.0}
    assert member["state"]["towns"] == ["Bonn", "Hof", "Ulm"]
    assert member["outputs"] == {
        "size": {"dtype": "float32", "shape": [1]},
        "town": {"dtype": "float32", "shape": [3]},
    }


def test_another_preparation_in_training_is_refused_before_a_step(
    project: Applied, capsys: pytest.CaptureFixture[str]
) -> None:
    project.spec("src.rows:Given", "src.rows:Raw")
    with pytest.raises(StageError) as raised:
        project.run("train")
    message = raised.value.message
    assert "(model.preprocess: src.prep:Prep)" in message
    assert "size in training: float32 [32 rows, 1], min " in message
    assert "size in evaluation: float32 [144 rows, 1], min -" in message
    assert "town" not in message.replace("town in", "")
    assert "add the parameter `preprocess`" in raised.value.help
    assert "a step was taken" not in capsys.readouterr().out
    assert not (project.artifacts / "model").exists()


def test_names_that_forward_does_not_take_are_refused(project: Applied) -> None:
    prep = project.root / "src" / "prep.py"
    prep.write_text(prep.read_text(encoding="utf-8").replace('{"size": np', '{"sizes": np'), encoding="utf-8")
    with pytest.raises(
        StageError, match=r"src\.prep:Prep returns sizes, town, but src\.net:Net\.forward takes size, town"
    ):
        project.run("train")


def stages_with(project: Applied, file: str) -> set[str]:
    """The stages that have this file as an input."""
    return {stage.name for stage in project.build().plan.stages if file in stage.inputs}


def test_a_changed_module_of_the_class_trains_again(project: Applied) -> None:
    """What comes after training has its own copy of the code, in `artifacts/model/preprocess`."""
    for file in ("src/prep.py", "src/scale.py", "src/__init__.py"):
        assert {"train", "test"} <= stages_with(project, file), file
    after = {stage.name for stage in project.build().plan.stages if "artifacts/model/preprocess" in stage.inputs}
    assert {"evaluate", "export", "test"} <= after


def test_a_killed_training_does_not_resume_with_another_class(project: Applied) -> None:
    from mlspec.parts.train.run_fingerprint import fingerprint

    before = fingerprint(project.job())
    (project.root / "src" / "scale.py").write_text(FROM_GUIDE["src/scale.py"] + "\n# changed\n", encoding="utf-8")
    assert fingerprint(project.job()) != before


def test_code_that_changed_after_training_is_not_run(applied: Applied, tmp_path: Path) -> None:
    """Evaluation prepares rows with the code that the model was trained with."""
    shutil.copytree(applied.root, tmp_path / "p")
    project = Applied(tmp_path / "p")
    (project.root / "src" / "scale.py").write_text("def scaled(values, mean, std):\n    return 0 * values\n")
    before = json.loads((project.artifacts / "metrics" / "evaluate.json").read_text(encoding="utf-8"))
    project.run("evaluate")
    assert json.loads((project.artifacts / "metrics" / "evaluate.json").read_text(encoding="utf-8")) == before


def test_a_request_that_the_class_cannot_prepare_is_refused_with_its_row(
    applied: Applied, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(applied.artifacts / "bundle", bundle)
    prep = bundle / "preprocess" / "code" / "src" / "prep.py"
    prep.write_text(
        prep.read_text().replace(
            "sizes = scaled", "assert len(rows[0]) == 2 and rows[-1]['size'] < 99\n        sizes = scaled"
        )
    )
    service = load(bundle)
    answer = service.answer(
        Request("POST", "/predict", body=json.dumps([{"size": s, "town": None} for s in (1, 2, 100)]).encode())
    )
    assert answer.status == 422
    (fault,) = json.loads(answer.body)["details"]
    assert fault["row"] == 2
    assert fault["problem"] == "the preprocessing failed on this row; see the server log"
    assert "row 2: src.prep:Prep.__call__ raised AssertionError\n  src/prep.py:" in capsys.readouterr().err


SPLIT = """
import numpy as np


class Prep:
    def __call__(self, rows):
        words = [[1 + ord(c) % 50 for c in row["town"] or "?"] for row in rows]
        longest = max(map(len, words))
        made = np.zeros((len(rows), longest), dtype=int)
        for at, word in enumerate(words):
            made[at, : len(word)] = word
        return {"letters": made, "known": np.array([[row["town"] != "Ulm"] for row in rows]), "size": np.nan_to_num(np.array([[row["size"]] for row in rows]))}
"""
RECURRENT = MODEL.replace(
    "self.layer = nn.Linear(4, 1)", "self.words, self.layer = nn.Embedding(51, 4, 0), nn.Linear(5, 1)"
).replace(
    "def forward(self, size, town):\n        return self.layer(torch.cat([size, town], 1))",
    "def forward(self, letters, known, size):\n        return self.layer(torch.cat([self.words(letters).sum(1), size / 10 + 0 * known], 1))",
)


def test_without_a_data_module_forward_gets_what_the_class_returns(project: Applied) -> None:
    """And rows that differ in length are padded, in the exported graph too."""
    lines = (project.root / "data" / "prices.csv").read_text().replace("Bonn", "Bonnheim").replace("Hof", "Hofen")
    (project.root / "data" / "prices.csv").write_text(lines)
    project.spec('  datamodule: "src.rows:Given"\n', "")
    project.spec(", args: {clip: 3.0}", "")
    written(project.root, {"src/prep.py": SPLIT, "src/net.py": RECURRENT})
    project.run("data", "train", "evaluate", "export")
    rows = pq.read_table(project.artifacts / "data" / "test.parquet", columns=["size", "town"]).to_pylist()
    predicted = pq.read_table(project.artifacts / "evaluate" / "predictions.parquet")["predicted"].to_pylist()
    answers = [answer["value"] for answer in answers_over_http(project.artifacts / "bundle", rows)]
    assert answers == pytest.approx(predicted, abs=1e-3)
    report = json.loads((project.artifacts / "metrics" / "export.json").read_text(encoding="utf-8"))
    assert {checked["length"] for checked in report["parity"]["checked"]} > {3}


SERVED = """
import json, sys
sys.path[:] = [sys.argv[1], *sys.path]
from pathlib import Path
import mlspec.runtime
from mlspec.runtime.service import load, Request
rows = json.loads(sys.argv[3])
answer = load(Path(sys.argv[2])).answer(Request("POST", "/predict", body=json.dumps(rows).encode()))
heavy = sorted({"torch", "pytorch_lightning", "pydantic", "tokenizers", "PIL", "mlspec.learning"} & {*sys.modules})
print(json.dumps([answer.status, json.loads(answer.body), heavy, mlspec.runtime.__file__]))
"""


def test_the_serving_code_alone_answers_from_the_bundle(applied: Applied, tmp_path: Path) -> None:
    """What goes into an image and a zip, away from the project: no compiler, no torch, a folder that is read-only."""
    from mlspec.parts.package.serving_code import fill

    fill(tmp_path / "image")
    shutil.copytree(applied.artifacts / "bundle", tmp_path / "bundle")
    before = sorted(tmp_path.rglob("*"))
    rows = [{"size": 12.5, "town": "Ulm"}, {"size": None, "town": "Kiel"}]
    command = [sys.executable, "-I", "-B", "-c", SERVED, str(tmp_path / "image"), str(tmp_path / "bundle")]
    done = subprocess.run([*command, json.dumps(rows)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    status, answers, heavy, place = json.loads(done.stdout)
    assert (status, heavy) == (200, [])
    assert place.startswith(str(tmp_path / "image"))
    expected = [answer["value"] for answer in answers_over_http(applied.artifacts / "bundle", rows)]
    assert [answer["value"] for answer in answers] == pytest.approx(expected)
    assert sorted(tmp_path.rglob("*")) == before
