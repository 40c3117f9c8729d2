"""What stands in the way of a run is told before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.cli.app import main

SPEC = """\
project: {name: cola}
data:
  source: data/row.csv
  inputs: {sentence: text}
  target: {column: label, type: class, labels: ["no", "yes"]}
model: {type: text-classifier}
environments:
  dev: {project: {description: small}}
  prod: {data: {source: data/all.csv}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mlproject.yaml").write_text(SPEC)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "raw.csv").write_text("sentence,label\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_missing_data_is_reported_at_its_place_in_the_spec(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--check"]) == 1
    assert "missing-file" not in capsys.readouterr().err, "files are written without the data"
    assert main(["plan"]) == 0
    err = capsys.readouterr().err
    assert "mlproject.yaml:3:11: warning[missing-file]: file not found: data/row.csv" in err
    assert "did you mean `data/raw.csv`?" in err
    assert main(["apply", "--yes"]) == 1
    assert "mlproject.yaml:3:11: error[missing-file]" in capsys.readouterr().err
    assert not (project / "dvc.yaml").exists()


@pytest.mark.parametrize(("name", "line"), [("dev", 3), ("prod", 9)])
def test_missing_data_of_an_environment_is_reported_there(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, line: int
) -> None:
    assert main(["plan", "--env", name, "--json"]) == 0
    assert f"mlproject.yaml:{line}:" in capsys.readouterr().err


@pytest.mark.parametrize("kept", ["data/row.csv.dvc", "data.dvc"])
def test_what_dvc_keeps_is_not_missing(project: Path, capsys: pytest.CaptureFixture[str], kept: str) -> None:
    (project / kept).write_text("outs: []\n")
    assert main(["plan"]) == 0
    assert "missing-file" not in capsys.readouterr().err


PRICED = (
    SPEC.replace("data/row.csv", "data/raw.csv")
    + """\
train: {}
export: {onnx: {}}
package: {docker: {}}
registry: {ecr: {repository: cola, region: eu-west-1, account: "123456789012"}}
deploy: {lambda: {memory: 2048, concurrency: {provisioned: 2}}}
budget: {monthly: 20 USD}
"""
)


def test_a_plan_above_the_budget_is_refused_with_the_largest_costs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "mlproject.yaml").write_text(PRICED)
    assert main(["plan"]) == 0
    out, err = capsys.readouterr()
    assert "provisioned concurrency     43.80 USD  2 x 2.00 GB x 730 h" in out
    assert "of 20.00 USD  [budget.monthly]" in out
    assert "prices of us-east-1, 2026-08-21; for those of eu-west-1: mlspec prices --refresh" in out
    assert "mlproject.yaml:15:19: warning[over-budget]: the project costs about 46." in err
    assert main(["apply", "--yes"]) == 1
    err = capsys.readouterr().err
    assert "mlproject.yaml:15:19: error[over-budget]" in err
    assert "change `deploy.lambda.concurrency.provisioned`, or raise budget.monthly" in err
    assert not (project / "dvc.yaml").exists(), "nothing is written, nothing runs"


def test_the_budget_holds_back_only_what_costs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "mlproject.yaml").write_text(PRICED)
    assert main(["plan", "--until", "train"]) == 0
    assert "over-budget" not in capsys.readouterr().err, "a training on this machine is free"
    (project / "mlproject.yaml").write_text(PRICED.replace("20 USD", "20 USD, training: {price: 1 USD, hours: 1}"))
    assert main(["plan", "--until", "train"]) == 0
    assert "over-budget" in capsys.readouterr().err
    (project / "mlproject.yaml").write_text(PRICED.replace("20 USD", "50 USD"))
    assert main(["plan"]) == 0
    assert "over-budget" not in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["foundation", "sam-foundation", "serverless-service"])
def test_the_budget_holds_back_each_stage_of_a_tool(
    stage: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = stage.partition("-")[0].replace("foundation", "terraform")
    text = PRICED.replace("deploy: {", f"deploy: {{iac: {tool}, ")
    (project / "mlproject.yaml").write_text(text)
    assert main(["plan", "--only", stage]) == 0
    assert "over-budget" in capsys.readouterr().err


def test_the_budget_of_an_environment_is_reported_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "mlproject.yaml").write_text(
        PRICED.replace("  dev: {project: {description: small}}", "  dev: {budget: {monthly: 5 USD}}")
    )
    assert main(["plan", "--env", "dev", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "mlproject.yaml:8:27: warning[over-budget]" in err
    assert '"budget": 5.0' in out


def test_a_push_needs_a_remote(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "data" / "row.csv").write_text("sentence,label\n")
    assert main(["apply", "--yes", "--push", "--dry-run"]) == 2
    assert "--push needs a DVC remote" in capsys.readouterr().err
