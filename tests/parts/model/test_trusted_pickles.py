"""Pickles of a trusted model: scanned before a stage loads them."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.data import work as data_work
from mlspec.parts.model.trusted_pickles import check_trusted
from mlspec.parts.train import work as train_work
from tests.parts.projects import written

SPEC = (
    "project: {name: x}\n"
    "data: {source: d.csv, inputs: {a: number}, target: {column: b, type: number}, deps: [table.pkl]}\n"
    'model: {class: "net:Net", args: {weights: w.pkl}, trust: true}\ntrain: {}\n'
)
FILES = {"mlproject.yaml": SPEC, "net.py": "class Net:\n    def __init__(self, **more): ...\n", "d.csv": "a,b\n1,2\n"}
HARMLESS = pickle.dumps([1, 2])


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def job(root: Path, weights: bytes, table: bytes) -> Job:
    written(root, {**FILES, "w.pkl": weights, "table.pkl": table})
    project = compile_project(root / "mlproject.yaml").project
    return Job(root, root / "artifacts", root / "artifacts", project.values, project.sections)


def test_a_dangerous_one_is_refused_by_the_stage_that_would_load_it(tmp_path: Path) -> None:
    pytest.importorskip("picklescan")
    with pytest.raises(StageError, match=r"loading w\.pkl would call \w+\.system") as caught:
        train_work.main(job(tmp_path, pickle.dumps(_Evil()), HARMLESS))
    assert "safetensors" in caught.value.help
    with pytest.raises(StageError, match=r"loading table\.pkl would call"):
        data_work.main(job(tmp_path, HARMLESS, pickle.dumps(_Evil())))
    assert not (tmp_path / "ran").exists()


def test_a_harmless_pickle_passes_without_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("picklescan")
    for section in ("data", "model"):
        check_trusted(job(tmp_path, HARMLESS, HARMLESS), section)  # type: ignore[arg-type]  # a name of the loop
    assert capsys.readouterr().out == ""


def test_without_the_scanner_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "picklescan.scanner", None)
    check_trusted(job(tmp_path, HARMLESS, HARMLESS), "model")
    output = capsys.readouterr().out
    assert "not scanned before it is loaded: w.pkl (picklescan is not installed)" in output
    assert "pip install 'mlspec[audit]'" in output
