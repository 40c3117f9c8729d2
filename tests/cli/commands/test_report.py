"""`mlspec report` on a project of which nothing has run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.cli.app import main

SPEC = """\
project: {name: cola}
data: {source: data.csv, inputs: {sentence: text}, target: {column: label, type: class, labels: ["no", "yes"]}}
model: {type: text-classifier}
"""


def test_it_writes_a_page_and_prints_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlproject.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == tmp_path / "artifacts" / "report.html"
    assert "<h1>cola" in path.read_text(encoding="utf-8")
    assert main(["report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "report": str(path)}
