"""What a machine has and lacks: real programs, packages and variables; small stand-in programs on PATH where needed."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mlspec.cli.app import main
from mlspec.plan.plan import Plan
from mlspec.plan.stage import Stage
from mlspec.run.capabilities import BASE, EXTRAS, probe
from mlspec.run.machine_checks import MachineCheck, examine, fixes
from mlspec.sections.data import DataSpec
from mlspec.sections.package import Package
from mlspec.sections.test import TestSpec
from mlspec.sections.track import TrackSpec
from mlspec.sections.train import TrainSpec
from mlspec.source.project_context import ProjectContext
from mlspec.spec.project import Project, ProjectInfo
from tests.parts import targets

MODELS = {"data": DataSpec, "test": TestSpec, "track": TrackSpec, "package": Package, "train": TrainSpec}
DATA = {"source": "data.csv", "inputs": {"a": "number"}, "target": {"column": "b", "type": "number"}}


def project(**values: Any) -> Project:
    """A project with these sections; those that are read for their secrets alone are plain values."""
    named = {name: {**DATA, **v} if name == "data" else v for name, v in values.items() if name in MODELS}
    sections = {name: MODELS[name].model_validate(value) for name, value in named.items()}
    return Project({"project": ProjectInfo(name="x"), **sections}, ProjectContext(), None, values)


def check_of(checks: tuple[MachineCheck, ...], name: str) -> MachineCheck:
    return next(check for check in checks if check.capability.name in (name, f"env:{name}"))


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_the_extras_are_those_of_the_package(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    declared = project["optional-dependencies"]
    assert list(BASE) == project["dependencies"]
    for extra, requirements in EXTRAS.items():
        # The upper bounds are pip's business: what is installed already is asked only whether it is new enough.
        assert list(requirements) == [re.split(r"[,!;]", r)[0] for r in declared[extra]], extra


def test_a_package_is_found_without_importing_it() -> None:
    assert probe("package:jinja2>=3.1").present
    old = probe("package:jinja2>=99")
    assert not old.present
    assert "older than 99" in old.detail
    gone = probe("package:no-such-package-at-all>=2")
    assert gone.detail == "not installed"
    assert gone.fix == "pip install 'no-such-package-at-all>=2'"


def test_a_variable_is_set_or_not_and_its_value_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "hunter2")
    monkeypatch.setenv("EMPTY_KEY", "")
    monkeypatch.delenv("OTHER_KEY", raising=False)
    assert probe("env:SOME_KEY").detail == "set"
    assert probe("env:EMPTY_KEY").detail == "empty"
    assert not probe("env:EMPTY_KEY").present
    assert probe("env:OTHER_KEY").fix == "export OTHER_KEY=..."
    assert "hunter2" not in str(probe("env:SOME_KEY"))


def test_an_unknown_kind_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="'packge'"):
        probe("packge:torch")


@pytest.mark.parametrize(
    ("script", "detail", "fix"),
    [
        (
            'echo "Cannot connect to the Docker daemon" >&2; exit 1',
            "the engine does not respond",
            "start docker|open -a Docker",
        ),
        ('echo "permission denied while trying to connect" >&2; exit 1', "no permission", "usermod -aG docker"),
        ("echo 24.0.7", "engine 24.0.7", "^$"),
    ],
)
def test_docker_is_there_when_its_engine_answers(
    script: str, detail: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "docker", script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    answer = probe("docker")
    assert detail in answer.detail
    assert re.search(fix, answer.fix)
    assert answer.present == (fix == "^$")


@pytest.mark.parametrize(("client", "present"), [("20.10.24", True), ("27.1.1", False)])
def test_a_new_docker_client_needs_buildx(
    client: str, present: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f'case "$1" in version) echo {client};; *) echo "docker: buildx is not a command" >&2; exit 1;; esac'
    program(tmp_path / "bin", "docker", script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert probe("buildkit").present is present


@pytest.mark.parametrize(
    ("installed", "detail"), [([], "not on PATH"), (["serverless"], "serverless 4"), (["serverless", "osls"], "osls 4")]
)
def test_one_of_two_programs_is_enough(
    installed: list[str], detail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in installed:
        program(tmp_path / "bin", name, "echo 4")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    answer = probe("osls or serverless")
    assert (answer.name, answer.detail, answer.present) == ("osls or serverless", detail, bool(installed))
    assert answer.fix == ("" if installed else "npm install --global osls")


def test_an_empty_machine_has_no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("docker", "buildkit", "git", "terraform", "aws", "sam", "osls or serverless", "some-program"):
        answer = probe(name)
        assert not answer.present
        assert answer.fix


GPU = "echo 'NVIDIA H100 80GB HBM3, 81559 MiB'"


@pytest.mark.skipif(sys.platform == "darwin", reason="Apple's GPUs need no driver")
@pytest.mark.parametrize(
    ("accelerator", "script", "uses", "faulty"),
    [
        ("auto", None, "; with accelerator: auto, train uses the CPU", False),
        ("gpu", None, "; with accelerator: gpu, train needs a GPU", True),
        ("cpu", GPU, "; with accelerator: cpu, train uses the CPU", False),
        ("auto", "exit 9", "none: nvidia-smi lists no GPU", False),
    ],
)
def test_the_device_that_training_would_use_is_listed(
    accelerator: str, script: str | None, uses: str, faulty: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script:
        program(tmp_path / "bin", "nvidia-smi", script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    check = check_of(examine(tmp_path, project(train={"accelerator": accelerator}), None), "gpu")
    assert uses in check.capability.detail
    assert check.fault is faulty
    assert not faulty or check.capability.fix


@pytest.mark.skipif(sys.platform == "darwin", reason="Apple's GPUs need no driver")
def test_a_gpu_without_a_torch_for_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "nvidia-smi", GPU)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    gpu, torch = probe("gpu"), probe("package:torch")
    assert gpu.detail.startswith("NVIDIA H100 80GB HBM3, 81559 MiB")
    if torch.detail.endswith("+cpu"):
        assert not gpu.present
        assert "built without CUDA" in gpu.detail


def test_without_a_spec_only_the_machine_counts(tmp_path: Path) -> None:
    checks = examine(tmp_path, None, None)
    assert {check.capability.name for check in checks if check.required} == {
        "python",
        "disk",
        "project folder",
        "known-bad releases",
    }


def test_what_the_spec_names_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ELASTIC_API_KEY", raising=False)
    spec = project(
        data={"source": "data.csv", "remote": "s3://bucket/dvc"},
        track={"wandb": {"project": "x"}},
        package={"docker": {"python": "3.11"}},
        deploy={"lambda": {}},
        monitor={"elasticsearch": {"api_key": {"env": "ELASTIC_API_KEY"}, "hosts": [{"url": {"env": "ELASTIC_URL"}}]}},
    )
    checks = examine(tmp_path, spec, Plan((), (Stage("probe", "Probe", "x", needs=("some-program",)),)))
    required = {check.capability.name for check in checks if check.required}
    assert {"torch", "wandb", "dvc-s3", "docker", "buildkit", "some-program"} <= required
    assert "terraform" not in required, "the spec creates its resources directly"
    assert "optuna" not in required
    assert "git" not in required
    assert {"env:ELASTIC_API_KEY", "env:ELASTIC_URL"} <= required
    assert check_of(checks, "ELASTIC_API_KEY").why == "monitor.elasticsearch.api_key"
    assert check_of(checks, "some-program").why == "stage probe"
    assert "export ELASTIC_API_KEY=..." in fixes(checks)


def test_an_attack_needs_an_environment_with_textattack(tmp_path: Path) -> None:
    attacked = project(test={"textattack": {"python": "env/bin/python"}})
    check = check_of(examine(tmp_path, attacked, None), "textattack")
    assert check.fault
    assert (check.why, check.capability.detail) == ("test.textattack", "env/bin/python does not exist")
    assert check.capability.fix.startswith("python3 -m venv env && env/bin/pip install textattack==")
    assert check.capability.fix in fixes(examine(tmp_path, attacked, None))
    (tmp_path / "env").mkdir()
    program(tmp_path / "env/bin", "python", "echo 0.3.11")
    check = check_of(examine(tmp_path, attacked, None), "textattack")
    assert (check.fault, check.capability.detail) == (False, "0.3.11 in the environment of env/bin/python")
    assert not [c for c in examine(tmp_path, project(test={}), None) if c.capability.name == "textattack"]


def test_a_zip_requires_no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The section `package` has a default image beside the zip that replaces it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    build = targets.build(
        tmp_path, targets.EXPORT + 'package: {zip: {python: "3.12"}}\ndeploy: {lambda: {region: eu-west-1}}\n'
    )
    required = {check.capability.name for check in examine(tmp_path, build.project, build.plan) if check.required}
    assert not required & {"docker", "buildkit"}
    build = targets.build(tmp_path, targets.PACKAGE)
    checks = examine(tmp_path, build.project, build.plan)
    assert {c.capability.name for c in checks if c.required} >= {"docker", "buildkit"}


def test_the_emulator_is_advised_for_projects_that_deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("MLSPEC_LAMBDA_EMULATOR", raising=False)
    plan = Plan((), (Stage("deploy", "Deploy", "x", needs=("extra:aws",)),))
    checks = examine(tmp_path, project(), plan)
    assert not check_of(checks, "lambda emulator").capability.present
    assert not check_of(checks, "lambda emulator").fault
    assert "aws-lambda-rie" in check_of(checks, "lambda emulator").capability.fix
    assert check_of(checks, "boto3").required
    program(tmp_path / "bin", "aws-lambda-rie", "true")
    assert check_of(examine(tmp_path, project(), plan), "lambda emulator").capability.present
    assert "lambda emulator" not in {c.capability.name for c in examine(tmp_path, project(), Plan((), ()))}


def test_buildkit_is_that_of_any_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "new", "docker", 'case "$1" in version) echo 28.1.0;; *) exit 1;; esac')
    program(tmp_path / "old", "docker", 'case "$1" in version) echo 20.10.24;; *) exit 1;; esac')
    monkeypatch.setenv("PATH", f"{tmp_path / 'new'}{os.pathsep}{tmp_path / 'old'}{os.pathsep}/bin")
    assert probe("buildkit").detail == "client 20.10.24"


@pytest.mark.parametrize(
    ("remote", "present"),
    [("s3://bucket/dvc", True), ("/mnt/dvc", True), ("../store", True), ("s3:///dvc", False), ("ftp://host/x", False),
     ("https://user:hunter2@host/dvc", True)],
)  # fmt: skip
def test_the_kind_of_a_remote_follows_from_its_form(remote: str, present: bool, tmp_path: Path) -> None:
    check = check_of(examine(tmp_path, project(data={"remote": remote}), None), "dvc remote")
    assert check.capability.present is present
    assert present or check.capability.fix
    assert "hunter2" not in check.capability.detail


def test_a_remote_that_needs_a_plug_in_says_so(tmp_path: Path) -> None:
    checks = examine(tmp_path, project(data={"remote": "gs://bucket/dvc"}), None)
    assert check_of(checks, "package:dvc-gs").required


def test_the_command_prints_json_and_its_exit_code_shows_whether_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert document["spec"] is None
    assert document["fixes"] == []
    assert {"group", "name", "present", "required", "detail", "fix", "why"} == set(document["checks"][0])


def test_doctor_inspects_the_machine_despite_an_invalid_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlproject.yaml").write_text("project: {nme: x}\n")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "ok       python" in out
    assert "mlproject.yaml has errors" in out


def test_a_machine_without_inotify_is_reported(tmp_path: Path) -> None:
    """Files that libraries open natively are not seen there, and a stage does not become stale by them."""
    linux, mac = (check_of(examine(tmp_path, None, None, system), "file watch") for system in ("linux", "darwin"))
    assert (linux.capability.present, linux.fault) == (True, False)
    assert (mac.capability.present, mac.fault) == (False, False)
    assert "no inotify on darwin" in mac.capability.detail
    assert "pyarrow, polars, duckdb" in mac.capability.detail
    assert "data.deps" in mac.capability.fix


def test_an_installed_release_that_is_known_to_be_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = check_of(examine(tmp_path, None, None), "known-bad releases")
    assert check.capability.present
    assert "list of 20" in check.capability.detail
    info = tmp_path / "ultralytics-8.3.42.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ultralytics\nVersion: 8.3.42\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    check = check_of(examine(tmp_path, None, None), "known-bad releases")
    assert check.fault
    assert check.capability.detail.startswith(
        "ultralytics 8.3.42 runs a cryptocurrency miner (published 2024-12-05): https://"
    )


def test_whether_the_server_of_a_tracker_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.listen()
        spec = project(track={"mlflow": {"uri": address}})
        answers = check_of(examine(tmp_path, spec, None), "track.mlflow")
        assert answers.capability.present
    silent = check_of(examine(tmp_path, spec, None), "track.mlflow")
    assert not silent.capability.present
    assert not silent.required, "a training runs without it"
    assert "mlspec run track" in silent.capability.fix
    monkeypatch.setenv("MLFLOW_URI", address)
    named = project(track={"mlflow": {"uri": {"env": "MLFLOW_URI"}, "token": {"env": "MLFLOW_TOKEN"}}})
    checks = examine(tmp_path, named, None)
    assert check_of(checks, "env:MLFLOW_TOKEN").required
    assert not check_of(checks, "track.mlflow").capability.present


@pytest.mark.parametrize(("mode", "needed"), [("online", True), ("offline", False), ("disabled", False)])
def test_a_tracker_that_connects_to_nothing_needs_no_key(
    tmp_path: Path, mode: str, needed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    wandb = {"project": "cola", "mode": mode, "api_key": {"env": "WANDB_API_KEY"}}
    names = [check.capability.name for check in examine(tmp_path, project(track={"wandb": wandb}), None)]
    assert ("env:WANDB_API_KEY" in names or "WANDB_API_KEY" in names) is needed
