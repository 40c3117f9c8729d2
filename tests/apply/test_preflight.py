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
