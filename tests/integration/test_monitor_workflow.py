"""The workflow that watches a model, run by act: its jobs, conditions, outputs and scripts are GitHub's.

Actions are small stand-ins, and so are the programs `mlspec`, `dvc`, `gh` and `pip`: each call is recorded, and the
answers of `mlspec` are those of the case. What these commands do has tests of its own.
"""

from __future__ import annotations

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
  "monitor approve"*)
    mkdir -p data/collected
    echo "released" > data/collected/rows.parquet
    echo "lock of the new model" > dvc.lock
    ;;
esac
"""


@dataclass
class Monitored(Workflows):
    """A repository with the workflow."""

    def look(self, event: str = "schedule", **answers: str) -> WorkflowResult:
        """Run the workflow with these answers of `mlspec`."""
        inputs = {name: answers.pop(name) for name in ("last", "retrain") if name in answers}
        self.variables |= {"ALARM": "0", "FAILED": "0", "OUTCOME": "{}"} | answers
        return self.run(MONITOR, event, inputs)


@pytest.fixture
def repository(tmp_path: Path) -> Monitored:
    act_program()
    root, folder = tmp_path / "cola", tmp_path / "run"
    root.mkdir()
    write(root, LAMBDA + CI + WATCH, WATCHED)
    (root / "dvc.lock").write_text("lock of the current model\n")
    recorded_programs(folder / "bin", {"mlspec": MLSPEC})
    monitored = Monitored(root, folder)
    monitored.commit()
    return monitored


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
RELEASE = [
    "role data",
    "dvc pull --allow-missing --run-cache",
    "mlspec monitor restore",
    "role release",
    "mlspec monitor approve",
    "role data",
    "dvc push",
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


def test_a_model_that_wins_is_released_and_proposed(repository: Monitored) -> None:
    result = repository.look(ALARM="4", OUTCOME='{"verdict": "waiting", "reason": "better", "waiting": true}')
    assert result.code == 0, result
    assert repository.calls[:-2] == [*LOOK, *TRAIN, *RELEASE]
    assert [call.partition(" --title")[0] for call in repository.calls[-2:]] == [
        "gh auth setup-git", "gh pr create --head mlspec-retrained-1"]  # fmt: skip
    assert {"cola-retrained/dvc.lock", "cola-retrained/data/collected/rows.parquet"} <= repository.kept()
    branch = "mlspec-retrained-1"
    changed = git(repository.folder / "origin.git", "show", "--name-only", "--format=%s", branch).split("\n")
    assert changed[0] == "Train on labelled predictions"
    assert {"dvc.lock", "data/collected/rows.parquet"} == set(filter(None, changed[1:]))


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
    assert "mlspec monitor approve" not in repository.calls
