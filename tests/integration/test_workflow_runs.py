"""The workflows of starters, executed by act with the real tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from mlspec.starters import STARTERS, contents
from tests.sharing import once, shared_folder
from tests.warm_python import WarmPython
from tests.workflow_examples import examples, without_tests
from tests.workflow_runner import RECORDED, Workflows, act_program, git, real_programs, step_name, write_program

pytestmark = pytest.mark.slow
TEST = ".github/workflows/mlspec-test.yaml"
TRAIN = ".github/workflows/mlspec-train.yaml"
Changes = tuple[tuple[str, str], ...]
"""Texts of a spec, and what stands there instead."""
ADD_CI = ("\ndata:\n", "\nci:\n\ndata:\n")
GH = """\
case "$*" in
  "pr list"*) if [ -f "$CALLS.created" ]; then echo 1; else echo 0; fi ;;
  "pr create"*) cp report.md "$CALLS.created" ;;
  "pr edit"*) cp report.md "$CALLS.edited" ;;
  "pr comment"*) cp comment.md "$CALLS.comment" ;;
esac
"""


def edit(root: Path, *changes: tuple[str, str]) -> None:
    """Change the spec; each text is in it once."""
    spec = root / "mlproject.yaml"
    text = spec.read_text(encoding="utf-8")
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    spec.write_text(text, encoding="utf-8")


def build(repository: Workflows) -> None:
    """`mlspec build`, as a person runs it before a commit."""
    environment = os.environ | repository.variables | {"CALLS": os.devnull}
    subprocess.run([repository.folder / "bin" / "mlspec", "build"], cwd=repository.root, env=environment, check=True)


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory, warm: WarmPython) -> Callable[..., Path]:
    """A starter with changes in its spec, built; once for all tests."""

    def create(folder: Path, template: str, changes: Changes) -> None:
        mlspec, root = str(warm.bin / "mlspec"), folder / template
        subprocess.run([mlspec, "init", template, "--template", template], cwd=folder, check=True, capture_output=True)
        edit(root, *changes)
        git(root, "init", "-q", "-b", "main")
        subprocess.run([mlspec, "build"], cwd=root, check=True, capture_output=True)

    def get(template: str, changes: Changes) -> Path:
        folder = shared_folder(tmp_path_factory, f"workflows-{template}-{zlib.crc32(repr(changes).encode())}")
        return once(folder, lambda folder: create(folder, template, changes)) / template

    return get


@pytest.fixture
def repository(_built: Callable[..., Path], warm: WarmPython, tmp_path: Path) -> Callable[..., Workflows]:
    """A repository with a starter as its first commit has it, and the real programs."""
    act_program()

    def get(template: str, *changes: tuple[str, str]) -> Workflows:
        root, folder = tmp_path / template, tmp_path / "run"
        shutil.copytree(_built(template, changes or (ADD_CI,)), root)
        real_programs(folder / "bin", warm, {"gh": GH})
        variables = {"PYTHONPATH": warm.variables({"PATH": ""})["PYTHONPATH"], "OMP_NUM_THREADS": "1"}
        return Workflows(root, folder, variables)

    return get


def test_the_test_workflow_trains_and_tests(
    repository: Callable[..., Workflows], capsys: pytest.CaptureFixture[str]
) -> None:
    digits = repository("digits")
    digits.commit()
    result = digits.run(TEST, "push")
    with capsys.disabled():
        print(f"\nthe test workflow of the starter digits: {result.seconds['test']:.0f} s, without the installation")
    assert result.code == 0, result
    assert result.jobs == {"test": "success"}
    assert set(result.steps["test"]) == {step_name(step) for step in digits.jobs(TEST)["test"]["steps"]}
    assert set(result.steps["test"].values()) == {"success"}
    (passed, failed, skipped) = result.summary["test"].splitlines()[2].strip("| ").split(" | ")
    assert int(passed) > 20
    assert (failed, skipped) == ("0", "1")
    assert digits.calls == [
        "mlspec build --check",
        "mlspec run data",
        "mlspec run train train.max_steps=2",
        "mlspec run export",
    ]


RUFF = "[lint]\nselect = ['F']\n"


def test_a_bug_in_the_users_code_turns_the_test_workflow_red(repository: Callable[..., Workflows]) -> None:
    custom = repository("custom")
    (custom.root / "ruff.toml").write_text(RUFF)
    model = custom.root / "src" / "model.py"
    right = model.read_text()
    model.write_text(right.replace("categories[:, 0]", "categories[:1, 0].expand(len(numbers))"))
    custom.commit()
    result = custom.run(TEST, "pull_request")
    assert result.code == 1, result
    assert result.jobs == {"test": "failure", "dependencies": "success"}
    wrong = {name for name, outcome in result.steps["test"].items() if outcome == "failure"}
    assert wrong == {"Run tests"}, result
    assert "test_outputs_do_not_depend_on_the_batch" in result.text
    assert result.steps["test"]["Report test results"] == "success"  # although the tests failed

    model.write_text(right.replace("import torch\n", "import torch\nimport os\n", 1))
    custom.commit()
    result = custom.run(TEST, "pull_request")
    assert result.steps["test"]["Lint"] == "failure", result
    assert "`os` imported but unused" in result.text
    assert "Run tests" not in result.steps["test"]


def test_a_test_workflow_in_which_nothing_was_tested_is_red(repository: Callable[..., Workflows]) -> None:
    untracked = repository("tabular", ADD_CI, ("  track: git ", "  track: dvc "))
    untracked.commit()
    result = untracked.run(TEST, "push")
    assert result.code == 1, result
    assert result.steps["test"]["Run tests"] == "success"
    assert result.steps["test"]["Report test results"] == "failure"
    assert [text.partition(":")[0] for text in result.annotations] == ["No test ran"]
    assert "artifacts/data/schema.json does not exist: run mlspec apply" in result.summary["test"]


ON_S3 = (("\ndata:\n", "\nci: {github: {train_on: [dispatch, pull_request]}}\n\ndata:\n  remote: s3://BUCKET/dvc\n"),)
PULL_REQUEST = {
    "number": 7,
    "pull_request": {"number": 7, "head": {"ref": "topic", "repo": {"fork": False}}, "base": {"ref": "main"}},
}


@pytest.fixture
def on_s3(repository: Callable[..., Workflows], moto: str) -> Workflows:
    """A repository whose DVC remote is in an emulated S3, which only a step after the role can reach."""
    import boto3

    bucket = f"workflows-{uuid.uuid4().hex[:10]}"
    client = boto3.client(
        "s3", endpoint_url=moto, region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    client.create_bucket(Bucket=bucket)
    penguins = repository("tabular", *((before, after) for before, after in ON_S3))
    edit(penguins.root, ("s3://BUCKET/", f"s3://{bucket}/"))
    without_tests(penguins.root)
    build(penguins)
    penguins.commit()
    penguins.variables["AWS_STAND_IN"] = moto
    return penguins


def test_a_training_comes_back_as_a_pull_request_and_runs_once(on_s3: Workflows) -> None:
    first = on_s3.run(TRAIN, "workflow_dispatch")
    assert first.code == 0, first
    assert first.jobs == {"train": "success", "propose": "success"}
    assert on_s3.calls[:2] == ["role data", "dvc pull --allow-missing --run-cache"]
    assert on_s3.calls.count("mlspec run train") == 1
    assert "accuracy" in first.summary["train"]
    assert "[The whole report](https://github.com/" in first.summary["train"]
    assert "tabular-report/report.html" in on_s3.kept()
    assert "accuracy" in (on_s3.folder / "calls.created").read_text()
    branch = "mlspec/tabular-training/main"
    changed = git(on_s3.folder / "origin.git", "show", "--name-only", "--format=%s", branch).split()
    assert {"dvc.lock", "artifacts/metrics/evaluate.json"} <= set(changed)
    assert not [name for name in changed if name.endswith((".ckpt", ".parquet", ".onnx"))]

    again = on_s3.run(TRAIN, "workflow_dispatch")  # nobody has merged: the run-cache knows the results
    assert again.code == 0, again
    assert on_s3.calls.count("mlspec run train") == 1, again
    assert (on_s3.folder / "calls.edited").is_file()

    git(on_s3.root, "pull", "-q", "--no-rebase", "origin", branch)
    on_s3.commit()
    merged = on_s3.run(TRAIN, "workflow_dispatch")
    assert merged.jobs == {"train": "success"}, merged
    assert on_s3.calls.count("mlspec run train") == 1

    edit(on_s3.root, ("  max_epochs: 40\n", "  max_epochs: 12\n"))
    build(on_s3)
    git(on_s3.root, "switch", "-q", "--create", "topic")
    git(on_s3.root, "commit", "-qam", "Train for less long")
    before = len(on_s3.calls)
    request = on_s3.run(TRAIN, "pull_request", **PULL_REQUEST)
    assert request.jobs == {"train": "success", "comment": "success"}, request
    assert on_s3.calls[before] == "role data-read"
    assert "dvc push --run-cache" not in on_s3.calls[before:]
    comment = (on_s3.folder / "calls.comment").read_text()
    assert comment.startswith("<!-- mlspec training report of tabular -->\n")
    assert "| metric | origin/main | this run | change | gate |" in comment
    assert "### Confusion matrix" in comment


def test_an_experiment_is_reported_and_not_kept(on_s3: Workflows) -> None:
    result = on_s3.run(TRAIN, "workflow_dispatch", {"experiment": "slow", "overrides": "train.max_epochs=1"})
    assert result.code == 1, result  # one epoch does not pass the gate
    assert result.jobs == {"train": "failure"}
    assert result.steps["train"]["Run an experiment"] == "failure"
    run = "mlspec run --beside data,train,evaluate,gate train experiment=slow train.max_epochs=1"
    assert run in on_s3.calls
    assert "failed" in result.summary["train"].splitlines()[0]
    assert not {"dvc push --run-cache", "dvc repro"} & set(on_s3.calls)

    hostile = on_s3.run(TRAIN, "workflow_dispatch", {"overrides": "$(touch /tmp/pwned) --multirun"})
    assert hostile.annotations == ("An override is KEY=VALUE, as in train.max_epochs=3.",)


OFFLINE = ("digits", "tabular", "text", "custom")
"""The starters but `cola`, whose data and weights are downloaded."""


def test_all_other_examples_have_no_data_to_run_with() -> None:
    def has_data(paths: Iterable[str]) -> bool:
        return any(path.startswith("data/") and path != "data/README.md" for path in paths)

    assert {name for name in STARTERS if has_data(contents(name, name))} == {*OFFLINE}
    others = {name: files for name, files in examples() if not name.startswith("starter ")}
    assert not [name for name, files in others.items() if has_data(files)]


@pytest.mark.parametrize("starter", [name for name in OFFLINE if name != "digits"])
def test_the_test_workflow_of_every_starter_is_green(repository: Callable[..., Workflows], starter: str) -> None:
    """That of `digits` is above."""
    project = repository(starter)
    project.commit()
    result = project.run(TEST, "push")
    assert result.jobs == {"test": "success"}, result
    assert set(result.steps["test"].values()) == {"success"}
    assert project.calls[:2] == ["mlspec build --check", "mlspec run data"]


@pytest.mark.parametrize("starter", [name for name in OFFLINE if name != "tabular"])
def test_the_training_of_every_starter_is_proposed(repository: Callable[..., Workflows], starter: str) -> None:
    """That of `tabular` is above. What the stage `test` runs, the test workflow has run."""
    project = repository(starter)
    without_tests(project.root)
    build(project)
    project.commit()
    result = project.run(TRAIN, "workflow_dispatch")
    assert result.jobs == {"train": "success", "propose": "success"}, result
    assert project.calls.count("mlspec run train") == 1
    assert " passed (" in (project.folder / "calls.created").read_text()
    assert f"{starter}-report/report.html" in project.kept()


def test_the_workflows_of_a_project_in_a_subfolder(repository: Callable[..., Workflows], warm: WarmPython) -> None:
    """Artifacts, summaries and the proposal are of that folder; the rest of the repository stays as it is."""
    project = repository("tabular")
    without_tests(project.root)
    inner = project.root.parent / "repository" / "services" / "ranker"
    shutil.copytree(project.root, inner, ignore=shutil.ignore_patterns(".git", ".github"))
    (inner.parents[1] / "README.md").write_text("# Services\n", encoding="utf-8")
    git(inner.parents[1], "init", "-q", "-b", "main")
    subprocess.run([warm.bin / "mlspec", "build"], cwd=inner, check=True, capture_output=True)
    whole = replace(project, root=inner.parents[1])
    whole.commit()
    workflows = sorted(path.name for path in (whole.root / ".github" / "workflows").iterdir())
    assert workflows == ["mlspec-tabular-test.yaml", "mlspec-tabular-train.yaml"]
    tested, trained = (f".github/workflows/{name}" for name in workflows)
    assert whole.run(tested, "push").jobs == {"test": "success"}
    result = whole.run(trained, "workflow_dispatch")
    assert result.jobs == {"train": "success", "propose": "success"}, result
    assert "tabular-report/report.html" in whole.kept()
    changed = git(
        whole.folder / "origin.git", "show", "--name-only", "--format=", "mlspec/tabular-training/main"
    ).split()
    assert "services/ranker/dvc.lock" in changed
    assert {path.split("/")[0] for path in changed} == {"services"}


INTERRUPTED = """\
if [ -z "$INTERRUPT" ] || [ "$*" != "run train" ]; then exec {mlspec} "$@"; fi
{mlspec} "$@" &
while kill -0 $! && [ -z "$(find .mlspec/scratch -name resume.ckpt)" ]; do sleep 0.02; done
kill -TERM $!
wait $!
"""
"""A training that a runner interrupts as soon as it has a checkpoint."""


def test_an_interrupted_training_is_resumed_in_the_next_job(
    repository: Callable[..., Workflows], warm: WarmPython
) -> None:
    longer = ("  max_epochs: 40\n", "  max_epochs: 100\n  checkpoint: {every_steps: 4}\n")
    tabular = repository("tabular", ADD_CI, longer, ("  early_stopping: {monitor: valid/loss, patience: 8}\n", ""))
    without_tests(tabular.root)
    build(tabular)
    tabular.commit()
    program = INTERRUPTED.format(mlspec=warm.bin / "mlspec")
    write_program(tabular.folder / "bin" / "mlspec", RECORDED + program)
    tabular.variables["INTERRUPT"] = "1"
    interrupted = tabular.run(TRAIN, "workflow_dispatch")
    assert interrupted.steps["train"]["Save the state of an interrupted training"] == "success", interrupted
    assert interrupted.jobs == {"train": "failure"}
    tabular.variables["INTERRUPT"] = ""
    finished = tabular.run(TRAIN, "workflow_dispatch")
    assert finished.jobs == {"train": "success", "propose": "success"}, finished
    assert ("resuming the interrupted run" in interrupted.text, "resuming the interrupted run" in finished.text) == (
        False,
        True,
    )
