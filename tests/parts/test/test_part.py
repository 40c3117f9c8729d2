"""Checks, stages and files of the test part."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from tests.conftest import CHECKOUT
from tests.parts.evaluate.test_part import CLASSES, NUMBERS, codes, diagnostics_of

HOSTILE = "it's \"q\" \\ {= x =} {{ y }} '''"


def files(folder: Path, spec: str) -> dict[str, str]:
    path = folder / "mlproject.yaml"
    path.write_text(spec, encoding="utf-8")
    return {f.path: f.text for f in compile_project(path).files if f.path.startswith("tests/")}


def test_a_disturbance_of_an_input_that_is_not_there(tmp_path: Path) -> None:
    spec = CLASSES + "export:\ntest: {robustness: {perturbations: [typos, brightness]}}\n"
    (result,) = diagnostics_of(tmp_path, spec)
    assert result.code == "unfit-perturbation"
    assert result.message == "`brightness` perturbs images, and the model has no such input"
    assert result.help == "perturbations for these inputs: `typos`, `case`, `punctuation`, `whitespace`, `accents`"
    assert codes(tmp_path, NUMBERS + "export:\ntest: {robustness: {perturbations: [noise, missing]}}\n") == []
    assert codes(tmp_path, NUMBERS + "export:\ntest: {robustness: {perturbations: [case]}}\n") == ["unfit-perturbation"]


@pytest.mark.parametrize(
    ("base", "options", "message", "help"),
    [
        (NUMBERS, "{direction: {sise: increasing}}", "input not found: `sise`", "did you mean `size`?"),
        (CLASSES, "{direction: {sentence: increasing}}", "`sentence` is a text, and only a number can increase", ""),
        (
            NUMBERS,
            "{direction: {size: {trend: increasing, label: a}}}",
            "is a number and has no label `a`",
            "remove `label`",
        ),
        (NUMBERS, "{invariance: {columns: [sise]}}", "input not found: `sise`", "did you mean `size`?"),
        (
            NUMBERS,
            "{invariance: {perturbations: [case]}}",
            "`case` perturbs texts, and the model has no such input",
            "",
        ),
    ],
)
def test_an_expectation_about_what_is_not_there(
    tmp_path: Path, base: str, options: str, message: str, help: str
) -> None:
    findings = diagnostics_of(tmp_path, base + f"export:\ntest: {options}\n")
    assert message in findings[0].message
    assert help in (findings[0].help or "")


def test_a_direction_of_a_class_needs_one_of_its_labels(tmp_path: Path) -> None:
    base = CLASSES.replace("{sentence: text}", "{size: number}").replace("sentence]", "size]")
    base = base.replace("text-classifier", "tabular")
    (missing,) = diagnostics_of(tmp_path, base + "export:\ntest: {direction: {size: increasing}}\n")
    assert missing.code == "unfit-direction"
    assert missing.help == "size: {trend: increasing, label: no}"
    (unknown,) = diagnostics_of(
        tmp_path, base + "export:\ntest: {direction: {size: {trend: increasing, label: nope}}}\n"
    )
    assert unknown.code == "unknown-label"


def test_an_attack_needs_a_classification_of_texts(tmp_path: Path) -> None:
    attacked = "export:\ntest: {textattack: {}}\n"
    assert codes(tmp_path, CLASSES + attacked) == []
    (number,) = diagnostics_of(tmp_path, NUMBERS + attacked)
    assert number.code == "unfit-attack"
    assert number.message == "TextAttack attacks a classification of texts, and the target is a number"
    tabular = CLASSES.replace("{sentence: text}", "{size: number}").replace("sentence]", "size]")
    (category,) = diagnostics_of(tmp_path, tabular.replace("text-classifier", "tabular") + attacked)
    assert category.message == "TextAttack attacks a classification of texts, and the model has no such input"


@pytest.mark.parametrize("path", ["$(touch x)/bin/python", "-m/bin/python", "a\nb", "${{ github.token }}", "a; b", ""])
def test_the_python_of_an_attack_is_a_path(path: str, tmp_path: Path) -> None:
    import json

    spec = CLASSES + f"export:\ntest: {{textattack: {{python: {json.dumps(path)}}}}}\n"
    (fault,) = diagnostics_of(tmp_path, spec.replace("${{", "$${{"))
    assert fault.code == "bad-format"
    assert fault.source.startswith("test: {textattack")


def test_there_is_nothing_to_test_without_a_bundle(tmp_path: Path) -> None:
    assert codes(tmp_path, CLASSES + "test:\n") == ["section-needed"]


def test_stages(tmp_path: Path) -> None:
    path = tmp_path / "mlproject.yaml"
    path.write_text(CLASSES + "export:\ntest:\n")
    plan = compile_project(path).plan
    assert plan.stage("robustness") is None
    stage = plan.stage("test")
    assert stage is not None
    assert {"artifacts/bundle", "tests"} <= set(stage.inputs)
    path.write_text(CLASSES + "export:\ntest: {robustness: {}}\n")
    stage = compile_project(path).plan.stage("robustness")
    assert stage is not None
    assert stage.params == ("test.robustness",)


def test_an_attack_is_a_stage_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mlproject.yaml"
    path.write_text(CLASSES + "export:\ntest: {textattack: {}}\n")
    stage = compile_project(path).plan.stage("textattack")
    assert stage is not None
    assert stage.params == ("test.textattack",)
    assert {output.path: output.cache for output in stage.outputs} == {
        "artifacts/metrics/textattack.json": False,
        "artifacts/textattack/attacks.json": True,  # rows of the data stay out of git
    }


def test_files_only_where_the_section_is(tmp_path: Path) -> None:
    assert files(tmp_path, CLASSES) == {}
    generated = files(tmp_path, CLASSES + "export:\ntest:\n")
    kinds = ("unit", "data", "model", "contract")
    assert set(generated) == {"tests/conftest.py", *(f"tests/test_{kind}.py" for kind in kinds)}
    assert "tests/test_load.py" in files(tmp_path, CLASSES + "export:\ntest: {load: {}}\n")


def test_the_projects_own_code_is_imported(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/data.py").write_text("def load():\n    return []\n")
    spec = CLASSES.replace("data/cola.tsv\n  format: {columns: [origin, label, sentence]}", "src.data:load")
    generated = files(tmp_path, spec + "export:\ntest:\n")
    assert '"data.source": "src.data:load"' in generated["tests/test_unit.py"]


@pytest.mark.parametrize(
    "more",
    [
        "evaluate: {average: macro}\nexport:\ntest:\n",
        "export: {onnx: {quantize: int8}}\ntest:\n",
    ],
)
@pytest.mark.parametrize("base", [CLASSES, NUMBERS])
def test_the_files_are_as_a_person_would_write_them(tmp_path: Path, base: str, more: str) -> None:
    checks = "  checks: {sentence: {not_null: true, max_length: 512, matches: '\\w.*'}}\n"
    spec = base.replace("model:", checks + "model:") if base is CLASSES else base
    for path, text in files(
        tmp_path, spec + more.replace("average: macro", "" if base is NUMBERS else "average: macro")
    ).items():
        ast.parse(text)
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    select = "--select=E,F,W,I,B,UP,SIM,PT,RUF,C4,PIE"
    for command in (
        ["check", "--isolated", "--line-length=120", select],
        ["format", "--isolated", "--line-length=120", "--diff"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "tests"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


def test_hostile_values_stay_data(tmp_path: Path) -> None:
    import json

    name = json.dumps(HOSTILE)
    spec = CLASSES.replace('"no"', name).replace("format: {columns: [origin, label, sentence]}", "format: {type: tsv}")
    spec = spec.replace("{sentence: text}", f"{{{name}: text}}")
    generated = files(tmp_path, spec + "export:\ntest:\n")
    tree = ast.parse(generated["tests/test_data.py"])
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("INPUTS", "LABELS")
    }
    assert values == {"INPUTS": {HOSTILE: "text"}, "LABELS": [HOSTILE, "yes"]}


def test_no_value_enters_without_a_filter() -> None:
    folder = CHECKOUT / "templates" / "tests"
    for template in folder.glob("*.j2"):
        for expression in re.findall(r"\{=(.*?)=\}", template.read_text()):
            assert re.search(r"\| (python|json) $", expression) or expression.startswith(' "" if'), (
                template,
                expression,
            )
