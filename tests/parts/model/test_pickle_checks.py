"""A pickle that the spec names is refused where it is named, unless the model is trusted."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mlspec.compiler import compile_project
from mlspec.diagnostics import Diagnostic
from mlspec.errors import SpecError
from tests.parts.projects import written

HEAD = (
    "project: {name: x}\n"
    "data: {source: d.csv, inputs: {a: number}, target: {column: b, type: number}DEPS}\n"
    "train: {checkpoint: {monitor: loss, mode: min}}\n"
)
NET = "class Net:\n    def __init__(self, **more): ...\n    def fit(self): ...\n"


def findings(root: Path, model: str, deps: str = "") -> list[tuple[str, int, str]]:
    """Severity, line and message of each finding about a pickle."""
    text = HEAD.replace("DEPS", f", deps: [{deps}]" if deps else "") + model + "\n"
    written(root, {"mlproject.yaml": text, "net.py": NET, "d.csv": "a,b\n1,2\n"})
    diagnostics: tuple[Diagnostic, ...]
    try:
        diagnostics = compile_project(root / "mlproject.yaml").warnings
    except SpecError as error:
        diagnostics = error.diagnostics
    return [(d.severity, d.span.line if d.span else 0, d.message) for d in diagnostics if d.code == "foreign-pickle"]


def test_arguments_and_dependencies(tmp_path: Path) -> None:
    written(tmp_path, {"w/a.pkl": pickle.dumps(1), "w/b.bin": pickle.dumps(2), "w/c.json": "1"})
    model = 'model: {class: "net:Net", args: {a: [{deep: w/a.pkl}], b: w/c.json, n: 3}TRUST}'
    (deps, args) = findings(tmp_path, model.replace("TRUST", ""), "w/c.json, w")
    assert args == ("error", 4, "`model.args.a[0].deep` names the pickle w/a.pkl; loading a pickle can run any code")
    assert deps == (
        "error",
        2,
        "`data.deps[1]` names a folder with pickles: w/a.pkl, w/b.bin; loading a pickle can run any code",
    )
    assert findings(tmp_path, model.replace("TRUST", ", trust: true"), "w/c.json, w") == []


def test_an_experiment_is_checked_too(tmp_path: Path) -> None:
    written(tmp_path, {"w.pt": pickle.dumps(1)})
    model = 'model: {class: "net:Net"}\nexperiments:\n  old: {model.args: {weights: w.pt}}\n  new: {model.args.weights: w.pt}'
    assert [(severity, line) for severity, line, _ in findings(tmp_path, model)] == [("error", 6), ("error", 7)]


def test_what_a_stage_opened_is_a_warning(tmp_path: Path) -> None:
    written(tmp_path, {"cache.pkl": pickle.dumps(1), "reads.lock": "train cache.pkl\ntrain d.csv\n"})
    ((severity, _, message),) = findings(tmp_path, 'model: {class: "net:Net"}')
    assert severity == "warning"
    assert message == "the stage `train` opened cache.pkl in its last run; loading a pickle can run any code"
    assert findings(tmp_path, 'model: {class: "net:Net", trust: true}') == []


@pytest.mark.parametrize("safe", [False, True])
def test_a_pretrained_model_without_safetensors(tmp_path: Path, safe: bool) -> None:
    (tmp_path / "bert").mkdir()
    torch.save({"w": torch.ones(1)}, tmp_path / "bert" / "pytorch_model.bin")
    if safe:
        save_file({"w": torch.ones(1)}, tmp_path / "bert" / "model.safetensors")
    model = "model: {type: text-classifier, pretrained: bert}"
    messages = [message for _, _, message in findings(tmp_path, model)]
    assert messages == (
        []
        if safe
        else [
            "`model.pretrained` names a folder with pickles: bert/pytorch_model.bin; loading a pickle can run any code"
        ]
    )


def test_trust_is_in_no_generated_file_unless_it_is_set(tmp_path: Path) -> None:
    findings(tmp_path, 'model: {class: "net:Net"}')
    assert not any("trust:" in file.text for file in compile_project(tmp_path / "mlproject.yaml").files)
