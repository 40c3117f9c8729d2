"""Checks and stages of the evaluate part."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.diagnostics import Diagnostic
from mlspec.errors import SpecError
from mlspec.parts.evaluate.gate_targets import parse, possible

CLASSES = """\
project: {name: cola}
data:
  source: data/cola.tsv
  format: {columns: [origin, label, sentence]}
  inputs: {sentence: text}
  target: {column: label, type: class, labels: ["no", "yes"]}
model: {type: text-classifier}
train:
"""
NUMBERS = """\
project: {name: prices}
data:
  source: data/prices.csv
  inputs: {size: number, town: category}
  target: {column: price, type: number}
model: {type: tabular}
train:
"""


def diagnostics_of(folder: Path, spec: str) -> list[Diagnostic]:
    path = folder / "mlproject.yaml"
    path.write_text(spec, encoding="utf-8")
    try:
        return list(compile_project(path).warnings)
    except SpecError as error:
        return list(error.diagnostics)


def codes(folder: Path, spec: str) -> list[str]:
    return [d.code for d in diagnostics_of(folder, spec)]


def test_a_full_section_is_right(tmp_path: Path) -> None:
    spec = CLASSES + (
        "evaluate:\n  metrics: [accuracy, mcc]\n  average: macro\n  threshold: 0.4\n"
        "  slices: {origin: {top: 5}, length: {column: sentence, by: length, bins: [10, 40]}}\n"
        '  gates: {mcc: ">= 0.2", "recall[no]": "> 0.1", "accuracy@origin=*": ">= 0.5",\n'
        '          "accuracy@origin=gj04": ">= 0.5", "accuracy@length=10..40": ">= 0.5", ece: "<= 0.2"}\n'
    )
    assert diagnostics_of(tmp_path, spec) == []


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("f1", "`f1` is not computed"),
        ("acuracy", "unknown metric `acuracy`"),
        ("f1[maybe]", "unknown label `maybe`"),
        ("mcc[no]", "`mcc` is not computed for single labels"),
        ("accuracy@source=*", "evaluate.slices has no `source`"),
        ("accuracy@length=5..7", "`length` has no slice `5..7`"),
        ("ece[no]", "`ece` only exists for all rows of a classification, not for labels or slices"),
        ("No metric", "`No metric` is not a valid gate"),
    ],
)
def test_a_gate_on_what_is_not_computed(tmp_path: Path, gate: str, message: str) -> None:
    spec = CLASSES + (
        "evaluate:\n  metrics: [accuracy, mcc]\n"
        "  slices: {origin: {}, length: {column: sentence, by: length, bins: [10, 40]}}\n"
        f'  gates: {{"{gate}": ">= 0.2"}}\n'
    )
    (result,) = diagnostics_of(tmp_path, spec)
    assert result.code == "gate-without-metric"
    assert result.message == message
    assert result.help
    assert result.span is not None
    assert result.source[result.span.column - 1 : result.span.end - 1].strip('"') == gate


def test_the_help_names_the_key_to_change(tmp_path: Path) -> None:
    result = diagnostics_of(tmp_path, CLASSES + 'evaluate: {metrics: [accuracy], gates: {mcc: ">= 0"}}\n')
    assert result[0].help == "evaluate.metrics: [accuracy, mcc]"
    result = diagnostics_of(tmp_path, CLASSES + 'evaluate: {gates: {"accuracy@origin=a": ">= 0"}}\n')
    assert result[0].help == "evaluate.slices: [origin]"


def test_a_metric_of_another_kind_of_target(tmp_path: Path) -> None:
    (result,) = diagnostics_of(tmp_path, CLASSES + "evaluate: {metrics: [accuracy, r2]}\n")
    assert (result.code, result.message) == (
        "unfit-metric",
        "`r2` does not apply to the target: `label` is a class",
    )
    assert codes(tmp_path, NUMBERS + "evaluate: {metrics: [f1]}\n") == ["unfit-metric"]
    assert codes(tmp_path, NUMBERS + 'evaluate: {gates: {accuracy: "> 0.5"}}\n') == ["unfit-metric"]
    assert codes(tmp_path, NUMBERS + 'evaluate: {gates: {"recall[no]": "> 0.5"}}\n') == ["unfit-metric"]
    assert codes(tmp_path, NUMBERS + 'evaluate: {gates: {ece: "< 0.5"}}\n') == ["gate-without-metric"]


def test_a_bound_that_nothing_can_satisfy(tmp_path: Path) -> None:
    assert codes(tmp_path, CLASSES + 'evaluate: {gates: {accuracy: ">= 90"}}\n') == ["impossible-gate"]
    assert codes(tmp_path, NUMBERS + 'evaluate: {gates: {rmse: "< 0"}}\n') == ["impossible-gate"]
    assert not possible("mcc", "< -1")
    assert possible("mcc", ">= -1")
    assert possible("mae", ">= 1e9")
    assert not possible("accuracy", "== 2")


@pytest.mark.parametrize(
    ("slices", "code"),
    [
        ("[sentence]", "unfit-slice"),
        ("{sentence: {by: length}}", "unfit-slice"),
        ("[orgin]", "unknown-column"),
        ("{a: {column: orgin}}", "unknown-column"),
        ("{length: {column: sentence, by: length, bins: [20, 10]}}", "bad-format"),
    ],
)
def test_slices_that_cannot_be(tmp_path: Path, slices: str, code: str) -> None:
    assert codes(tmp_path, CLASSES + f"evaluate: {{slices: {slices}}}\n") == [code]


def test_slices_of_numbers_need_bins(tmp_path: Path) -> None:
    assert codes(tmp_path, NUMBERS + "evaluate: {slices: [size]}\n") == ["unfit-slice"]
    assert codes(tmp_path, NUMBERS + "evaluate: {slices: {size: {by: length, bins: [2]}}}\n") == ["unfit-slice"]
    assert codes(tmp_path, NUMBERS + "evaluate: {slices: {size: {bins: [2]}, town: {}}}\n") == []


def test_settings_for_two_labels(tmp_path: Path) -> None:
    three = CLASSES.replace('["no", "yes"]', '["no", "yes", "maybe"]')
    assert codes(tmp_path, three + "evaluate: {threshold: 0.3}\n") == ["conflicting-options"]
    assert codes(tmp_path, three + "evaluate: {average: binary}\n") == ["conflicting-options"]
    assert codes(tmp_path, three + "evaluate: {average: weighted}\n") == []
    assert codes(tmp_path, NUMBERS + "evaluate: {threshold: 0.3}\n") == ["conflicting-options"]


def test_nothing_to_evaluate_without_training(tmp_path: Path) -> None:
    assert codes(tmp_path, CLASSES.replace("train:\n", "") + "evaluate:\n") == ["section-needed"]


def test_stages_and_what_they_depend_on(tmp_path: Path) -> None:
    path = tmp_path / "mlproject.yaml"
    path.write_text(CLASSES + 'evaluate: {gates: {mcc: ">= 0.2"}}\n')
    plan = compile_project(path).plan
    evaluate, gate = plan.stage("evaluate"), plan.stage("gate")
    assert evaluate is not None
    assert gate is not None
    assert gate.inputs == ("artifacts/metrics/evaluate.json",)
    assert gate.params == ("evaluate.gates",)
    assert "evaluate.gates" not in evaluate.params
    path.write_text(CLASSES + "evaluate:\n")
    plan = compile_project(path).plan
    assert plan.stage("evaluate") is not None
    assert plan.stage("gate") is None
    path.write_text(CLASSES)
    assert compile_project(path).plan.stage("evaluate") is None


def test_gates_are_read() -> None:
    target = parse("recall[a]b]@origin=x=y")
    assert target is not None
    assert (target.metric, target.label, target.slice) == ("recall", "a]b", "origin=x=y")
    assert parse("") is None
    assert parse("mcc@") is None
