"""The workflow that watches a model, run by act: its jobs, conditions, outputs and scripts are GitHub's.

Actions are small stand-ins, and so are the programs `mlspec`, `dvc`, `gh` and `pip`: each call is recorded, and the
answers of `mlspec` are those of the case. What these commands do has tests of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.parts.targets import LAMBDA, write
from tests.workflow_examples import CI, WATCH, WATCHED
from tests.workflow_runner import WorkflowResult, Workflows, act_program, git, recorded_programs

MONITOR = ".github/workflows/mlspec-monitor.yaml"

MLSPEC = """\
case "$*" in
  "monitor --html"*)
    mkdir -p artifacts
    echo page > artifacts/monitor.html
    printf '%s\\n' "cola" "::error::from a request" "alarm[moved]: age moved"
    exit "$ALARM"
    ;;
  "monitor retrain"*)
    echo "$OUTCOME"
    exit "$FAILED"
    ;;
  "monitor approve --build"*)
    mkdir -p data/collected artifacts/data
    echo "rows" > data/collected/rows.parquet
    if [ -n "$TRACKED" ]; then echo "outs: digest of the rows" > data/collected.dvc; fi
    echo "lock of the new model" > dvc.lock
    echo "of the new model" | tee artifacts/image.json > artifacts/data/schema.json
    ;;
  "monitor approve --released"*) cat dvc.lock artifacts/data/schema.json data/collected/rows.parquet > "$CALLS.recorded" ;;
  "sbom"*) echo '{}' > artifacts/sbom.json ;;
  "apply --only push"*)
    if [ -e data/collected ]; then exit 1; fi
    echo '{"image": {"repository": "host/cola", "digest": "sha256:1"}, "function": {"url": null}}' > artifacts/release.json
    ;;
esac
"""
DOCKER = """\
case "$1" in
  create) echo container ;;
  save) echo layers ;;
  load) cat artifacts/image.json >> "$CALLS" ;;
esac
"""


@dataclass
class Monitored(Workflows):
    """A repository with the workflow."""

    def look(self, event: str = "schedule", **answers: str) -> WorkflowResult:
        """Run the workflow with these answers of `mlspec`."""
        inputs = {name: answers.pop(name) for name in ("last", "retrain") if name in answers}
        self.variables |= {"ALARM": "0", "FAILED": "0", "OUTCOME": "{}", "TRACKED": ""} | answers
        return self.run(MONITOR, event, inputs, repository={"private": False})


@pytest.fixture
def repository(tmp_path: Path) -> Monitored:
    act_program()
    root, folder = tmp_path / "cola", tmp_path / "run"
    root.mkdir()
    write(root, LAMBDA + CI + WATCH, WATCHED)
    (root / "dvc.lock").write_text("lock of the current model\n")
    recorded_programs(folder / "bin", {"aws": "", "docker": DOCKER, "mlspec": MLSPEC})
    monitored = Monitored(root, folder)
    monitored.commit()
    return monitored


AFTER = ("propose", "record")
"""Jobs after the release, in any order."""
VERIFIED = r" --repo \S+ --signer-workflow +--source-digest [0-9a-f]{40}"
"""The end of the command that verifies an attestation; act does not set the reference of the workflow."""
LOOK = [
    "role data",
    "dvc pull --allow-missing",
    "mlspec monitor restore",
    "mlspec monitor pull",
    "mlspec monitor --html --last 1d",
    "mlspec monitor save",
]
TRAIN = [
    "role data",
    "dvc pull --allow-missing --run-cache",
    "mlspec monitor restore",
    "mlspec monitor retrain --hold --json",
    "dvc push --run-cache",
    "mlspec monitor save",
]
BUILD = [
    "role data",
    "dvc pull --allow-missing --run-cache",
    "mlspec monitor restore",
    "docker create public.ecr.aws/lambda/python:3.12",
    "docker cp container:/usr/local/bin/aws-lambda-rie",
    "docker rm container",
    "mlspec monitor approve --build",
    "mlspec sbom --out artifacts/sbom.json",
    "docker save cola",
    "dvc push",
]
RELEASE = [
    "role release",
    "docker load --input artifacts/image.tar.gz",
    "of the new model",
    "mlspec apply --only push --yes",
    "attest host/cola@sha256:1 ",
    "attest host/cola@sha256:1 artifacts/sbom.json",
    "gh attestation verify oci://host/cola@sha256:1 --repo octo-org/cola",
    "mlspec apply --only deploy --yes",
    "mlspec releases",
]
LOGIN = ["aws ecr get-login-password --region eu-west-1", "docker login --username AWS --password-stdin host"]
"""Two programs of one pipe, in any order."""
RECORD = [
    "role data",
    "dvc pull --allow-missing",
    "mlspec monitor restore",
    "mlspec monitor approve --released",
    "mlspec monitor save",
]


def test_without_an_alarm_the_state_is_stored_and_nothing_else_runs(repository: Monitored) -> None:
    result = repository.look()
    assert result.code == 0, result
    assert repository.calls == LOOK
    assert repository.kept() == {"cola-monitor/monitor.html"}
    assert "    ::error::from a request" in result.summary["monitor"].splitlines()
    others = [each for each in result.annotations if not each.startswith("requirements-monitor.lock is missing")]
    assert others == [], "the runner would take it as a command"


def test_an_alarm_is_not_a_failure_and_leads_to_the_decision_to_train(repository: Monitored) -> None:
    result = repository.look(ALARM="4", OUTCOME='{"verdict": null, "reason": "a pause", "waiting": false}')
    assert result.code == 0, result
    assert repository.calls == [*LOOK, *TRAIN]
    assert [text.partition(",")[0] for text in result.annotations] == [
        "requirements-monitor.lock is missing", "1 alarms fire", "requirements-retrain.lock is missing"
    ]  # fmt: skip


WAITING = '{"verdict": "waiting", "reason": "better", "waiting": true}'


def test_a_model_that_wins_is_built_released_recorded_and_proposed(repository: Monitored) -> None:
    result = repository.look(ALARM="4", OUTCOME=WAITING)
    assert result.code == 0, result
    assert list(result.jobs) == [
        "monitor",
        "retrain",
        "build",
        "release",
        *[job for job in result.jobs if job in AFTER],
    ]
    calls = [re.sub(rf" \S*/aws-lambda-rie$|{VERIFIED}$", "", call) for call in repository.calls]
    for one in LOGIN:
        calls.remove(one)
    first = [re.sub(r" --repo \S+$", "", call) for call in (*LOOK, *TRAIN, *BUILD, *RELEASE)]
    assert calls[: len(first)] == first
    after = calls[len(first) :]
    assert [call for call in after if not call.startswith("gh")] == RECORD
    assert [call.partition(" --title")[0] for call in after if call.startswith("gh")] == [
        "gh auth setup-git", "gh pr create --head mlspec-retrained-1"]  # fmt: skip
    recorded = (repository.folder / "calls.recorded").read_text(encoding="utf-8")
    assert recorded == "lock of the new model\nof the new model\nrows\n"
    assert {"cola-retrained/dvc.lock", "cola-retrained/data/collected/rows.parquet"} <= repository.kept()
    branch = "mlspec-retrained-1"
    changed = git(repository.folder / "origin.git", "show", "--name-only", "--format=%s", branch).split("\n")
    assert changed[0] == "Train on labelled predictions"
    assert {"dvc.lock", "data/collected/rows.parquet", "artifacts/data/schema.json"} == set(filter(None, changed[1:]))


def test_rows_that_dvc_tracks_are_proposed_by_their_digest(repository: Monitored) -> None:
    """DVC tracks no folder of which git has a file."""
    assert repository.look(ALARM="4", OUTCOME=WAITING, TRACKED="1").code == 0
    assert "cola-retrained/data/collected.dvc" in repository.kept()
    branch = "mlspec-retrained-1"
    changed = git(repository.folder / "origin.git", "show", "--name-only", "--format=", branch).split()
    assert set(changed) == {"dvc.lock", "data/collected.dvc", "artifacts/data/schema.json"}


def test_the_job_with_the_releasing_role_installs_nothing_of_the_project(repository: Monitored) -> None:
    jobs = repository.jobs(MONITOR)
    releasing = {name for name, job in jobs.items() if "vars.AWS_ROLE_ARN" in str(job)}
    assert releasing == {"release"}
    text = str(jobs["release"])
    assert "mlspec[aws]" in text
    for foreign in ("dvc ", "AWS_DATA_ROLE_ARN", "requirements.txt", "monitor approve", "SLACK_WEBHOOK"):
        assert foreign not in text


def test_a_model_that_waits_is_built_once_or_when_a_person_asks(repository: Monitored) -> None:
    """Each run of the schedule would ask a person once more about the same model."""
    again = '{"verdict": null, "reason": "a model waits", "waiting": true}'
    assert set(repository.look(ALARM="4", OUTCOME=again).jobs) == {"monitor", "retrain"}
    assert "release" in repository.look("workflow_dispatch", retrain="true", OUTCOME=again).jobs


def test_a_person_starts_a_training_and_chooses_the_range(repository: Monitored) -> None:
    result = repository.look("workflow_dispatch", retrain="true", last="6h", OUTCOME='{"reason": "none"}')
    assert result.code == 0, result
    assert "mlspec monitor --html --last 6h" in repository.calls
    assert "mlspec monitor retrain --hold --now --json" in repository.calls


@pytest.mark.parametrize(
    ("answers", "last"),
    [({"ALARM": "1"}, "mlspec monitor --html --last 1d"), ({"ALARM": "4", "FAILED": "4"}, "mlspec monitor save")],
    ids=["the look", "the training"],
)
def test_a_failure_fails_the_run(repository: Monitored, answers: dict[str, str], last: str) -> None:
    result = repository.look(**answers)
    assert result.code == 1, result
    assert repository.calls[-1] == last
    assert not [call for call in repository.calls if call.startswith("mlspec monitor approve")]
