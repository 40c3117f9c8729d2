"""The tests that a project is given: they pass in an applied project, and a planted bug in each area fails one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.parts.export.test_work import flip_a_weight
from tests.parts.projects import Applied, numbers
from tests.sharing import once, shared_folder
from tests.warm_python import warm_python

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("torch")

Trained = Callable[..., Applied]
pytestmark = pytest.mark.slow
MORE = "evaluate: {gates: {%s}}\nexport:\ntest:\n  robustness: {min_agreement: 0.2}\n"
EXPECTED = {
    "numbers": "  direction: {size: increasing}\n  load: {requests: 60, p95_ms: 5000}\n",
    "text": "  invariance: {perturbations: [whitespace]}\n  data: {max_contradicting: 0, max_label_errors: 0.1}\n",
}
"""What the specs of some kinds declare beyond MORE, below `test`."""
GATES = {
    "numbers": 'r2: "> 0.5"',
    "custom": 'r2: "> 0.5"',
    "raw": 'r2: "> 0.5"',
    "own": 'r2: "> 0.5"',
    "text": 'mcc: "> 0.5"',
    "images": 'mcc: "> 0.5"',
}


def pytest_in(project: Applied, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    command = [warm_python().python, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=project.root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def failed(project: Applied, *arguments: str) -> set[str]:
    done = pytest_in(project, *arguments)
    return set(re.findall(r"^(?:FAILED|ERROR) tests/\w+\.py::(\w+)", done.stdout, re.MULTILINE))


def with_tests(project: Applied) -> Applied:
    for file in project.build().files:
        if file.path.startswith(("tests/", "conf/")):
            path = project.root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
    return project


@pytest.fixture(scope="session")
def _exported(_trained: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    def export(kind: str, root: Path) -> None:
        shutil.copytree(_trained(kind), root, dirs_exist_ok=True)
        spec = root / "mlproject.yaml"
        more = MORE % GATES[kind] + EXPECTED.get(kind, "")
        spec.write_text(spec.read_text(encoding="utf-8") + more, encoding="utf-8")
        with_tests(Applied(root)).run("evaluate", "gate", "export")

    def get(kind: str) -> Path:
        return once(shared_folder(tmp_path_factory, f"exported-{kind}"), lambda root: export(kind, root))

    return get


@pytest.fixture
def exported(_exported: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Applied]:
    """A copy of the exported project of a kind, with its tests."""

    def copy(kind: str) -> Applied:
        shutil.copytree(_exported(kind), tmp_path / kind)
        return Applied(tmp_path / kind)

    return copy


Exported = Callable[[str], Applied]


@pytest.mark.parametrize("kind", GATES)
def test_they_pass(exported: Exported, kind: str) -> None:
    slow = () if kind in ("text", "custom") else ("-m", "not slow")  # trainings: for a network of ours and the user's
    done = pytest_in(exported(kind), "tests", "-W", "error::pytest.PytestUnknownMarkWarning", *slow)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_they_are_skipped_before_the_first_run(tmp_path: Path) -> None:
    project = with_tests(numbers(tmp_path, MORE % GATES["numbers"]))
    done = pytest_in(project, "tests")
    assert done.returncode == 0
    # Only the settings are there before the first run.
    assert re.search(r"^1 passed, \d+ skipped", done.stdout.splitlines()[-1])
    assert "does not exist: run mlspec apply" in done.stdout


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def flipped(table: pa.Table) -> pa.Table:
    index = table.column_names.index("label")
    return table.set_column(index, "label", pa.array([1 - v for v in table["label"].to_pylist()], pa.int64()))


def test_flipped_labels_of_the_training_rows(exported: Exported) -> None:
    project = exported("text")
    rewrite(project.artifacts / "data/train.parquet", flipped)
    assert "test_predictions_fit_the_training_targets" in failed(project, "tests/test_model.py")


def test_flipped_labels_of_the_test_rows(exported: Exported) -> None:
    project = exported("text")
    rewrite(project.artifacts / "data/test.parquet", flipped)
    assert failed(project, "tests") == {
        "test_labels_agree_with_the_model",
        "test_metric_matches_the_evaluation",
        "test_bundle_was_exported_from_this_data",
    }


def test_a_parquet_file_cut_short(exported: Exported) -> None:
    project = exported("numbers")
    path = project.artifacts / "data/valid.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    assert "test_each_split_has_rows_and_all_columns" in failed(project, "tests/test_data.py")


def test_training_rows_in_the_test_split(exported: Exported) -> None:
    project = exported("numbers")
    train = pq.read_table(project.artifacts / "data/train.parquet")
    rewrite(project.artifacts / "data/test.parquet", lambda table: train.slice(0, table.num_rows))
    assert failed(project, "tests/test_data.py") == {"test_splits_do_not_share_rows"}


def test_a_target_beyond_the_labels_and_a_missing_column(exported: Exported) -> None:
    project = exported("text")
    rewrite(
        project.artifacts / "data/train.parquet",
        lambda t: t.set_column(t.column_names.index("label"), "label", pa.array([7] * t.num_rows, pa.int64())),
    )
    rewrite(project.artifacts / "data/valid.parquet", lambda table: table.drop_columns(["sentence"]))
    result = failed(project, "tests/test_data.py")
    assert {"test_targets_are_known_labels", "test_each_split_has_rows_and_all_columns"} <= result


def test_other_preprocessing_in_the_bundle(exported: Exported) -> None:
    project = exported("numbers")
    path = project.artifacts / "bundle/preprocess/preprocess.json"
    path.write_text(path.read_text().replace('"mean": ', '"mean": 3'))
    assert failed(project, "tests/test_contract.py") == {
        "test_serving_prepares_rows_as_evaluation_does",
        "test_numbers_reach_the_model_as_the_spec_declares",
        "test_bundle_matches_the_trained_model",
        "test_every_interface_matches_the_trained_model",
        "test_bundle_files_match_the_lineage",
    }


@pytest.mark.parametrize(("kind", "test"), [("raw", "numbers"), ("numbers", "numbers"), ("images", "pixels")])
def test_another_kind_of_preprocessing_than_the_spec_declares(exported: Exported, kind: str, test: str) -> None:
    project = exported(kind)
    for folder in ("model", "bundle"):
        path = project.artifacts / folder / "preprocess/preprocess.json"
        settings = json.loads(path.read_text())
        for member in settings["members"]:
            member["raw"] = not member.get("raw", False)
        path.write_text(json.dumps(settings))
    assert f"test_{test}_reach_the_model_as_the_spec_declares" in failed(project, "tests/test_contract.py")


def test_other_code_of_the_preprocessing_class(exported: Exported) -> None:
    project = exported("own")
    code = project.artifacts / "bundle" / "preprocess" / "code" / "own" / "prep.py"
    code.write_text(code.read_text(encoding="utf-8").replace("+ 1 if", "if"), encoding="utf-8")
    assert {
        "test_bundle_has_the_preprocessing_code_of_training",
        "test_serving_prepares_rows_as_evaluation_does",
        "test_bundle_files_match_the_lineage",
    } <= failed(project, "tests/test_contract.py")


def test_a_preprocessing_class_that_reads_the_rows_beside(exported: Exported) -> None:
    project = exported("own")
    for folder in ("model", "bundle"):
        code = project.artifacts / folder / "preprocess" / "code" / "own" / "prep.py"
        code.write_text(code.read_text(encoding="utf-8").replace("self.mean, sizes)", "0, sizes - sizes.max())"))
    result = failed(project, "tests/test_contract.py", "tests/test_model.py")
    assert {
        "test_preprocessing_of_a_row_does_not_depend_on_the_others",
        "test_outputs_do_not_depend_on_the_batch",
    } <= result


def test_other_preprocessing_everywhere(exported: Exported) -> None:
    project = exported("text")
    for folder in ("model", "bundle"):
        path = project.artifacts / folder / "preprocess/tokenizer.json"
        tokenizer = json.loads(path.read_text())
        vocabulary = tokenizer["model"]["vocab"]
        turned = {token: max(vocabulary.values()) + 4 - number for token, number in vocabulary.items() if number > 3}
        tokenizer["model"]["vocab"] = vocabulary | turned
        path.write_text(json.dumps(tokenizer))
    assert "test_metric_matches_the_evaluation" in failed(project, "tests/test_model.py")


def test_a_flipped_weight_in_the_graph(exported: Exported) -> None:
    project = exported("numbers")
    flip_a_weight(project.artifacts / "bundle/model.onnx")
    assert failed(project, "tests/test_contract.py") == {
        "test_bundle_matches_the_trained_model",
        "test_every_interface_matches_the_trained_model",
        "test_bundle_files_match_the_lineage",
    }


def test_a_model_whose_predictions_depend_on_other_rows(exported: Exported) -> None:
    project = exported("custom")
    path = project.root / "src/model.py"
    text = path.read_text().replace("return self.body(joined)[:, 0]", "return self.body(joined - joined.mean(0))[:, 0]")
    assert text != path.read_text()
    path.write_text(text)
    assert "test_outputs_do_not_depend_on_the_batch" in failed(project, "tests/test_model.py")


def test_a_model_that_cannot_learn(exported: Exported) -> None:
    project = exported("custom")
    path = project.root / "src/model.py"
    text = path.read_text().replace(
        "return self.body(joined)[:, 0]", "return self.body(joined * 0 + joined.detach())[:, 0] * 0"
    )
    path.write_text(text)
    assert "test_model_can_overfit_eight_rows" in failed(project, "tests/test_model.py")


def test_code_that_cannot_be_imported(exported: Exported) -> None:
    project = exported("custom")
    (project.root / "src/model.py").write_text("import nothing_of_this_name\n")
    assert "test_callable_can_be_imported" in failed(project, "tests/test_unit.py")


def replaced(column: str, row: int, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value
        index = table.column_names.index(column)
        return table.set_column(index, column, pa.array(values, table.schema.field(column).type))

    return change


def test_a_failed_check_names_row_column_and_value(exported: Exported) -> None:
    project = exported("numbers")
    project.spec("data:\n", "data:\n  checks: {size: {min: -50}}\n")
    with_tests(project)
    rewrite(project.artifacts / "data/valid.parquet", replaced("size", 3, -123.5))
    output = pytest_in(project, "tests/test_data.py").stdout
    row = pq.read_table(project.artifacts / "data/valid.parquet").to_pylist()[3]
    lines = (project.root / "data/prices.csv").read_text(encoding="utf-8").splitlines()
    (line,) = (at for at, text in enumerate(lines, start=1) if text.endswith(f",{row['price']:.4f}"))
    place = f"valid.parquet, row 3 (data/prices.csv line {line})"
    assert f"{place}, column size: -123.5 is below the minimum -50" in output


def test_a_target_that_is_not_a_label_is_named(exported: Exported) -> None:
    project = exported("text")
    rewrite(project.artifacts / "data/test.parquet", replaced("label", 2, 7))
    output = pytest_in(project, "tests/test_data.py").stdout
    from mlspec.learning.split_rows import origin

    place = origin(project.artifacts / "data", "test", 2)
    assert re.fullmatch(r"data/mood.csv line \d+", place)
    assert f"test.parquet, row 2 ({place}), column label: 7 is not the position of a label (0 to 1)" in output


def test_a_target_that_is_not_a_number_and_a_repeated_value_are_named(exported: Exported) -> None:
    project = exported("numbers")
    project.spec("data:\n", "data:\n  checks: {size: {unique: true}}\n")
    with_tests(project)
    path = project.artifacts / "data/valid.parquet"
    rewrite(path, replaced("price", 1, float("nan")))
    value = pq.read_table(path)["size"][0].as_py()
    rewrite(path, replaced("size", 3, value))
    output = pytest_in(project, "tests/test_data.py").stdout
    assert re.search(r"valid\.parquet, row 1 \(data/prices\.csv line \d+\), column price: nan is not finite", output)
    for row in (0, 3):
        place = rf"valid\.parquet, row {row} \(data/prices\.csv line \d+\)"
        assert re.search(rf"{place}, column size: {re.escape(repr(value))} is repeated", output)


def test_a_row_without_a_recorded_place_is_named_by_its_number(exported: Exported) -> None:
    project = exported("text")
    rewrite(project.artifacts / "data/test.parquet", replaced("label", 2, 7))
    (project.artifacts / "data/origins.parquet").unlink()
    output = pytest_in(project, "tests/test_data.py").stdout
    assert "test.parquet, row 2, column label: 7 is not the position of a label (0 to 1)" in output


def test_different_outputs_name_the_row_and_both_values(exported: Exported) -> None:
    project = exported("numbers")
    flip_a_weight(project.artifacts / "bundle/model.onnx")
    output = pytest_in(project, "tests/test_contract.py").stdout
    assert re.search(
        r"the bundle and the trained model differ: \[-?[\d.]+\] instead of \[-?[\d.]+\] in row \d+, \{'size'", output
    )
    assert "Max absolute difference" in output


def test_what_differs_from_the_profile_and_the_signature_is_named(exported: Exported) -> None:
    project = exported("text")
    train = project.artifacts / "data/train.parquet"
    first = pq.read_table(train)["label"][0].as_py()
    rewrite(train, replaced("label", 0, 1 - first))
    rewrite(project.artifacts / "data/valid.parquet", lambda table: table.slice(1))
    for name, before, after in (
        ("profile", '"train": ', '"train": 1'),
        ("signature", '"type": "text"', '"type": "number"'),
    ):
        path = project.artifacts / f"bundle/{name}.json"
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after, 1), encoding="utf-8")
    output = pytest_in(project, "tests/test_data.py", "tests/test_contract.py").stdout
    counts = pq.read_table(train)["label"].to_pylist()
    label = json.loads((project.artifacts / "data/schema.json").read_text())["target"]["labels"][first]
    assert re.search(rf"{label}: {counts.count(first)} rows, [\d.]+%, in the profile: [\d.]+%", output)
    assert re.search(r"rows of the splits: .*'valid': (\d+).*, in the profile: .*'valid': (?!\1)\d+", output)
    assert re.search(r"splits\.train: 1(\d+) instead of \1", output)
    assert "sentence: 'number' instead of 'text'" in output


def invalid_setting(project: Applied) -> None:
    """A value of `conf/` that is not valid, edited by hand."""
    path = project.root / "conf/train/default.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("max_epochs: 12", "max_epochs: -3"), encoding="utf-8")


def copies_of_train(project: Applied) -> None:
    """Test rows that are rows of train but for a full stop; evaluated and exported with them."""
    train = pq.read_table(project.artifacts / "data/train.parquet").slice(0, 48)
    texts = pa.array([f"{text}." for text in train["sentence"].to_pylist()])
    index = train.column_names.index("sentence")
    rewrite(project.artifacts / "data/test.parquet", lambda _: train.set_column(index, "sentence", texts))
    profile = project.artifacts / "data/profile.json"
    values = json.loads(profile.read_text(encoding="utf-8"))
    values["splits"]["test"] = 48
    profile.write_text(json.dumps(values), encoding="utf-8")
    project.run("evaluate", "gate", "export")


def negated_weights(project: Applied) -> None:
    """A model that predicts the opposite of what it has learned; evaluated and exported as it is."""
    import torch

    path = project.artifacts / "model/best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    weights = [name for name, value in checkpoint["state_dict"].items() if value.ndim == 2 and value.shape[0] == 1]
    checkpoint["state_dict"][weights[-1]] *= -1
    torch.save(checkpoint, path)
    project.run("evaluate", "export")


def other_preprocessing(project: Applied) -> None:
    """Preprocessing in the bundle that the model was not trained with."""
    path = project.artifacts / "bundle/preprocess/preprocess.json"
    path.write_text(path.read_text().replace('"mean": ', '"mean": 3'))


def slow_preprocessing(project: Applied) -> None:
    """Correct preprocessing that takes too long; exported with it."""
    project.spec("min_agreement: 0.2}", "min_agreement: 0.2}\n  load: {requests: 40, p95_ms: 5}")
    with_tests(project)
    code = project.artifacts / "model/preprocess/code/own/prep.py"
    text = code.read_text(encoding="utf-8").replace("        sizes = ", "        time.sleep(0.01)\n        sizes = ", 1)
    text = text.replace("    def __call__(self, rows):\n", "    def __call__(self, rows):\n        time.sleep(0.01)\n")
    code.write_text(f"import time\n{text}", encoding="utf-8")
    project.run("export")


FAULTS = {
    "unit": ("numbers", invalid_setting),
    "data": ("text", copies_of_train),
    "model": ("numbers", negated_weights),
    "contract": ("numbers", other_preprocessing),
    "load": ("own", slow_preprocessing),
}


@pytest.mark.parametrize("marker", FAULTS)
def test_only_the_tests_of_one_kind_notice_a_fault(exported: Exported, marker: str) -> None:
    kind, plant = FAULTS[marker]
    project = exported(kind)
    plant(project)
    done = pytest_in(project, "tests", "-m", "not slow")
    failing = set(re.findall(r"^(?:FAILED|ERROR) tests/(\w+)\.py", done.stdout, re.MULTILINE))
    assert failing == {f"test_{marker}"}, done.stdout


def test_each_kind_runs_alone(exported: Exported) -> None:
    project = exported("numbers")
    for marker in FAULTS:
        done = pytest_in(project, "tests", "--collect-only", "-m", marker)
        files = set(re.findall(r"^tests/(\w+)\.py::", done.stdout, re.MULTILINE))
        assert files == {f"test_{marker}"}, done.stdout


def test_expectations_that_the_model_does_not_meet(exported: Exported) -> None:
    project = exported("numbers")
    project.spec("gates: {", 'slices: [town], gates: {"r2@town=*": "> 0.5", ')
    project.spec("direction: {size: increasing}", "direction: {size: decreasing}\n  invariance: {columns: [town]}")
    with_tests(project)
    path = project.artifacts / "metrics/evaluate.json"
    slices = {"town=Bonn": {"rows": 20, "metrics": {"r2": 0.9}}, "town=Ulm": {"rows": 3, "metrics": {"r2": 0.25}}}
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"slices": slices}), encoding="utf-8")
    output = pytest_in(project, "tests/test_model.py", "-k", "direction or does_not_change or slices").stdout
    assert "3 failed" in output.splitlines()[-1]
    number = r"-?[\d.]+(?:e-?\d+)?"
    assert re.search(r"\d+\.\d% of \d+ predictions are decreasing in size \(needed: 95\.0%\)", output)
    assert re.search(rf"test row \d+: \{{'size': '{number} to {number}'\}}: {number} becomes {number}", output)
    assert re.search(r"another value in town: \d+\.\d% of \d+ predictions stay \(needed: 100\.0%\)", output)
    assert "r2 is not > 0.5:" in output
    assert "town=Ulm: 0.25 in 3 rows" in output
    assert "town=Bonn: 0.9" not in output


def test_new_weights_that_ignore_the_seed(exported: Exported) -> None:
    project = exported("custom")
    path = project.root / "src/model.py"
    text = path.read_text().replace("hidden, 1))", "hidden, 1))\n        self.start()")
    start = "    def start(self):\n        torch.seed()\n        nn.init.normal_(self.body[0].weight)\n\n"
    path.write_text(text.replace("    def forward", f"{start}    def forward"))
    assert "test_new_model_depends_on_the_seed_alone" in failed(project, "tests/test_unit.py", "-m", "not slow")


def test_state_that_the_state_dict_does_not_have(exported: Exported) -> None:
    project = exported("custom")
    path = project.root / "src/model.py"
    text = path.read_text().replace("hidden, 1))", "hidden, 1))\n        self.shift = torch.randn(1)")
    path.write_text(text.replace("(joined)[:, 0]", "(joined)[:, 0] + self.shift"))
    assert failed(project, "tests/test_unit.py", "-m", "not slow") == {"test_state_dict_restores_the_model"}


def test_rows_that_change_are_shown(exported: Exported) -> None:
    project = exported("text")
    train = project.artifacts / "data/train.parquet"
    rows = pq.read_table(train)
    first = rows.to_pylist()[0]
    rewrite(train, replaced("sentence", 5, first["sentence"]))
    rewrite(train, replaced("label", 5, 1 - first["label"]))
    output = pytest_in(project, "tests/test_data.py").stdout
    inputs = re.escape("{'sentence': " + repr(first["sentence"])[:8])
    place = r"\(data/mood\.csv line \d+\)"
    assert re.search(r"2 of \d+ rows of train have the inputs of a row with another label \(allowed: 0\.0%\)", output)
    assert re.search(
        rf"train\.parquet, row 0 {place}: {inputs}.* is (sad|glad), train\.parquet, row 5 {place} is", output
    )


def test_an_unknown_marker_is_an_error(exported: Exported) -> None:
    project = exported("numbers")
    (project.root / "tests/test_own.py").write_text("import pytest\n\n@pytest.mark.unti\ndef test_own():\n    pass\n")
    done = pytest_in(project, "tests/test_own.py")
    assert done.returncode != 0
    assert "unti" in done.stdout


def test_a_dozen_rows(tmp_path: Path) -> None:
    project = numbers(tmp_path, MORE % 'r2: ">= -1000"')
    data = project.root / "data/prices.csv"
    data.write_text("".join(data.read_text().splitlines(keepends=True)[:13]))
    with_tests(project).run("data", "train", "evaluate", "gate", "export")
    done = pytest_in(project, "tests")
    assert done.returncode == 0, done.stdout
