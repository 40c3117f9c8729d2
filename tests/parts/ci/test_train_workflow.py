"""The events, secrets and environment of the training workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.parts.targets import BASE, codes, files

FILE = ".github/workflows/mlspec-train.yaml"
ONLINE = "train: {}\ntrack: {wandb: {project: cola, mode: online}}\n"


def workflow(folder: Path, text: str, base: str = BASE) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load(files(folder, text, base)[FILE])
    return read


def test_a_push_of_data_starts_a_training(tmp_path: Path) -> None:
    text = "ci: {github: {train_on: [data]}}\n"
    read = workflow(tmp_path, text)
    assert read[True] == {"push": {"branches": ["main"], "paths": ["data/cola.csv.dvc"]}}
    read = workflow(tmp_path, text, BASE.replace("data:\n", "data:\n  track: git\n"))
    assert read[True]["push"]["paths"] == ["data/cola.csv", "data/cola.csv/**"]
    everything = workflow(tmp_path, text.replace("[data]", "[data, push]"))
    assert "paths" not in everything[True]["push"]


def test_no_push_changes_data_from_elsewhere(tmp_path: Path) -> None:
    base = BASE.replace("source: data/cola.csv", "source: https://example.org/cola.csv")
    assert "conflicting-options" in codes(tmp_path, "ci: {github: {train_on: [data]}}\n", base)
    assert "conflicting-options" not in codes(tmp_path, "ci: {github: {train_on: [push]}}\n", base)


def test_textattack_is_installed_in_an_environment_of_its_own(tmp_path: Path) -> None:
    text = "train: {}\nexport: {}\nci:\ntest: {textattack: {python: PYTHON}}\n"

    def steps(python: str) -> dict[str, Any]:
        job = workflow(tmp_path, text.replace("PYTHON", python))["jobs"]["train"]
        return {step["name"]: step for step in job["steps"] if "name" in step}

    install = steps("tools/env/bin/python")["Install TextAttack"]
    assert install["env"]["ENVIRONMENT"] == "tools/env"
    assert "textattack==" in install["env"]["PACKAGES"]
    assert "Install TextAttack" not in steps("/opt/textattack/bin/python")  # the runner has it
    assert (
        "Install TextAttack" not in workflow(tmp_path, "train: {}\nexport: {}\nci:\ntest:\n")["jobs"]["train"]["steps"]
    )


def test_the_key_of_a_tracker_is_passed_only_online_and_in_an_environment(tmp_path: Path) -> None:
    job = workflow(tmp_path, ONLINE + "ci:\n")["jobs"]["train"]
    assert job["environment"] == "training"
    (step,) = [step for step in job["steps"] if step.get("id") == "train"]
    assert step["env"] == {"WANDB_API_KEY": "${{ secrets.WANDB_API_KEY }}"}
    text = files(tmp_path, ONLINE.replace("online", "offline") + "ci:\n")[FILE]
    assert "WANDB_API_KEY" not in text
    assert "environment:" not in text


def test_a_pull_request_has_an_environment_and_a_role_of_its_own(tmp_path: Path) -> None:
    base = BASE.replace("data:\n", "data:\n  remote: s3://bucket/dvc\n")
    text = files(tmp_path, "ci: {github: {train_on: [pull_request]}}\n", base)[FILE]
    assert "environment: ${{ github.event_name == 'pull_request' && 'training-pull-request' || 'training' }}" in text
    assert "github.event_name == 'pull_request' && vars.AWS_DATA_READ_ROLE_ARN || vars.AWS_DATA_ROLE_ARN" in text
    assert "PIP_EXTRA_INDEX_URL" not in text


@pytest.mark.parametrize("remote", ["", "  remote: s3://bucket/dvc\n"])
def test_a_release_trains_only_where_nothing_stores_the_model(tmp_path: Path, remote: str) -> None:
    base = BASE.replace("data:\n", f"data:\n{remote}")
    text = files(tmp_path, ONLINE + "export: {onnx: {}}\npackage: {docker: {}}\nci:\n", base)
    release = text[".github/workflows/mlspec-release.yaml"]
    assert ("WANDB_API_KEY" in release) == (not remote)
    assert ("dvc status --quiet" in release) == bool(remote)


MLFLOW = "track: {mlflow: {uri: 'https://mlflow.example.org', token: {env: MLFLOW_TRACKING_TOKEN}}}\n"


def test_results_are_uploaded_to_a_tracker_that_shows_them(tmp_path: Path) -> None:
    steps = workflow(tmp_path, "train: {}\nci:\n" + MLFLOW)["jobs"]["train"]["steps"]
    (step,) = [step for step in steps if step.get("run") == "mlspec run track"]
    assert step["env"] == {"MLFLOW_TRACKING_TOKEN": "${{ secrets.MLFLOW_TRACKING_TOKEN }}"}
    assert "cancelled()" in step["if"]
    assert "mlspec run track" not in files(tmp_path, ONLINE + "ci:\n")[FILE]


def test_a_short_training_of_a_pull_request_reports_to_no_tracker(tmp_path: Path) -> None:
    base = BASE.replace("data:\n", "data:\n  track: git\n")
    for text, name in ((MLFLOW, "mlflow"), (ONLINE.removeprefix("train: {}\n"), "wandb")):
        test = files(tmp_path, "train: {}\nexport: {}\ntest: {}\nci:\n" + text, base)[
            ".github/workflows/mlspec-test.yaml"
        ]
        assert f"mlspec run train train.max_steps=2 track.{name}.mode=disabled" in test
        assert "secrets." not in test


def test_the_credentials_of_a_remote_on_dagshub_are_a_secret_of_the_environment(tmp_path: Path) -> None:
    base = BASE.replace("data:\n", "data:\n  remote: dagshub://ada/cola\n")
    text = files(tmp_path, "train: {}\nexport: {onnx: {}}\npackage: {docker: {}}\nci:\n", base)
    for name, job in (("train", "train"), ("release", "build")):
        read = yaml.safe_load(text[f".github/workflows/mlspec-{name}.yaml"])["jobs"][job]
        assert read["environment"] == "training"
        words = [str(step.get("run", "")) for step in read["steps"]]
        login = next(n for n, line in enumerate(words) if "--local mlspec secret_access_key" in line)
        assert login < next(n for n, line in enumerate(words) if line.startswith("dvc pull"))
        assert read["steps"][login]["env"] == {"DAGSHUB_USER_TOKEN": "${{ secrets.DAGSHUB_USER_TOKEN }}"}
    assert "DAGSHUB_USER_TOKEN" not in text[".dvc/config"]
    assert codes(tmp_path, "train: {}\nexport: {}\ntest:\nci:\n", base) == []
