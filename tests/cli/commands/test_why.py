"""`mlspec why` in a project without a deployment: what led to the exported model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.cli.app import main
from mlspec.records.bundle_provenance import read_provenance
from mlspec.records.lineage import GitState, Lineage, config_digest

SPEC = """\
project: {name: shop}
data: {source: data.csv, inputs: {area: number}, target: {column: price, type: number}}
model: {type: tabular}
"""
CONFIG = {"model": {"type": "tabular", "hidden": [64]}, "train": {"max_epochs": 7}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mlproject.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_shows_what_led_to_the_exported_model(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lineage = Lineage(
        project="shop",
        git=GitState(commit="1234abcd" * 5, dirty=True),
        spec=config_digest(CONFIG),
        checkpoint="ab" * 32,
        config=CONFIG,
    )
    lineage.write(project / "artifacts")
    version = read_provenance(project, project / "artifacts").version
    for arguments in ([], [version]):
        assert main(["why", *arguments]) == 0
        first, commit, *rest = capsys.readouterr().out.splitlines()
        assert first == f"shop version {version}, the exported model"
        assert commit.split() == ["commit", "1234abcd" * 5 + "-dirty"]
        assert "  train    max_epochs: 7" in rest
    assert main(["why", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["version"], document["state"], document["config"]) == (version, "exported", CONFIG)
    for arguments in (["3"], ["--against", "3"]):
        assert main(["why", *arguments]) == 2
        error = capsys.readouterr().err
        assert "version not found: 3" in error
        assert f"its one version is the exported model: {version}" in error


def test_without_an_exported_model_it_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why"]) == 2
    assert capsys.readouterr().err.splitlines() == ["error: no model is exported yet", "  = help: mlspec apply"]
