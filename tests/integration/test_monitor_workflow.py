"""The workflow that watches a model, run by act: its jobs, conditions, outputs and scripts are GitHub's.

Actions are small stand-ins, and so are the programs `mlspec`, `dvc`, `gh` and `pip`: each call is recorded, and the
answers of `mlspec` are those of the case. What these commands do has tests of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlspec.parts.ci.action_pins import ACTIONS
from tests.integration.test_github import CI, WATCH, WATCHED, tool
from tests.parts.targets import LAMBDA, write

PROGRAM = """\
#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
"""
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
    echo "released" > data/collected/rows.parquet
    echo "lock of the new model" > dvc.lock
    ;;
esac
"""
PYTHON = f"""\
if [ "$1 $2" = "-m pip" ]; then
  exit 0
fi
exec {sys.executable} "$@"
"""
UPLOAD = """\
inputs: {name: {required: true}, path: {required: true}, if-no-files-found: {default: warn}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {NAME: "${{ inputs.name }}", PATHS: "${{ inputs.path }}"}
      run: |
        mkdir -p "$KEPT/$NAME"
        while read -r path; do
          [ -z "$path" ] || cp --recursive --parents "$path" "$KEPT/$NAME"
        done <<< "$PATHS"
"""
DOWNLOAD = """\
inputs: {name: {required: true}, path: {default: "."}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {NAME: "${{ inputs.name }}", TO: "${{ inputs.path }}"}
      run: cp --recursive "$KEPT/$NAME/." "$TO"
"""
ROLE = """\
inputs: {role-to-assume: {required: true}, aws-region: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {ROLE: "${{ inputs.role-to-assume }}"}
      run: echo "role $ROLE" >> "$CALLS"
"""
NOTHING = "runs:\n  using: composite\n  steps:\n    - shell: bash\n      run: 'true'\n"
STAND_INS = {
    "actions/upload-artifact": UPLOAD, "actions/download-artifact": DOWNLOAD,
    "aws-actions/configure-aws-credentials": ROLE,
}  # fmt: skip


@dataclass
class Repository:
    """A repository with the workflow, and the folder of everything that a run leaves."""

    root: Path
    folder: Path

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return [line for line in lines if not line.startswith("python ")]

    def run(self, event: str = "schedule", *inputs: str, **answers: str) -> tuple[int, str]:
        """Run the workflow with these answers of `mlspec`; the exit code of act and what it printed."""
        command = [tool("act"), event, "-W", ".github/workflows/mlspec-monitor.yaml", "--action-offline-mode"]
        command += ["-P", "ubuntu-24.04=-self-hosted", "--artifact-server-path", str(self.folder / "unused")]
        command += ["--secret", "GITHUB_TOKEN=token", "--secret", "SLACK_WEBHOOK=hook"]
        command += ["--var", "AWS_DATA_ROLE_ARN=data", "--var", "AWS_ROLE_ARN=release"]
        for name, (commit, _) in ACTIONS.items():
            command += ["--local-repository", f"{name}@{commit}={self.folder / 'actions' / name}"]
        for value in inputs:
            command += ["--input", value]
        variables = {
            "HOME": str(self.folder / "home"), "XDG_CACHE_HOME": str(self.folder / "home"),
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(self.folder / "calls"), "KEPT": str(self.folder / "kept"),
            "ALARM": "0", "FAILED": "0", "OUTCOME": "{}",
        } | answers  # fmt: skip
        for name in ("CALLS", "KEPT", "ALARM", "FAILED", "OUTCOME", "PATH"):
            command += ["--env", f"{name}={variables[name]}"]
        done = subprocess.run(
            command, cwd=self.root, env=os.environ | variables, capture_output=True, text=True, timeout=300
        )
        return done.returncode, done.stdout + done.stderr

    def kept(self) -> set[str]:
        """The files of all artifacts."""
        folder = self.folder / "kept"
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def program(folder: Path, name: str, more: str = "") -> None:
    file = folder / "bin" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(PROGRAM + more, encoding="utf-8")
    file.chmod(0o755)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    tool("act")
    root, folder = tmp_path / "cola", tmp_path / "run"
    root.mkdir()
    write(root, LAMBDA + CI + WATCH, WATCHED)
    (root / "data" / "collected").mkdir(parents=True, exist_ok=True)
    (root / "data" / "collected" / "README.md").write_text("rows\n")
    (root / "dvc.lock").write_text("lock of the current model\n")
    for name in ACTIONS:
        action = folder / "actions" / name
        action.mkdir(parents=True)
        (action / "action.yml").write_text(f"name: stand-in\n{STAND_INS.get(name, NOTHING)}", encoding="utf-8")
    for name, more in (("mlspec", MLSPEC), ("dvc", ""), ("gh", ""), ("python", PYTHON)):
        program(folder, name, more)
    subprocess.run(["git", "init", "-q", "--bare", str(folder / "origin.git")], check=True)
    git(root, "init", "-q", "-b", "main")
    git(root, "remote", "add", "origin", str(folder / "origin.git"))
    git(root, "add", "--force", ".")
    git(root, "commit", "-qm", "all")
    return Repository(root, folder)


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


def test_without_an_alarm_the_state_is_stored_and_nothing_else_runs(repository: Repository) -> None:
    code, text = repository.run()
    assert code == 0, text
    assert repository.calls == LOOK
    assert repository.kept() == {"cola-monitor/artifacts/monitor.html"}
    printed = [line for line in text.splitlines() if line.startswith("[")]  # the rest is the summary
    assert not [line for line in printed if "from a request" in line], "the runner would take it as a command"


def test_an_alarm_is_no_failure_and_asks_whether_to_train(repository: Repository) -> None:
    code, text = repository.run(ALARM="4", OUTCOME='{"verdict": null, "reason": "a pause", "waiting": false}')
    assert code == 0, text
    assert repository.calls == [*LOOK, *TRAIN]
    assert "1 alarms fire" in text


def test_a_model_that_wins_is_released_and_proposed(repository: Repository) -> None:
    code, text = repository.run(ALARM="4", OUTCOME='{"verdict": "waiting", "reason": "better", "waiting": true}')
    assert code == 0, text
    assert repository.calls[:-2] == [*LOOK, *TRAIN, *RELEASE]
    assert [call.partition(" --title")[0] for call in repository.calls[-2:]] == [
        "gh auth setup-git", "gh pr create --head mlspec-retrained-1"]  # fmt: skip
    assert {"cola-retrained/dvc.lock", "cola-retrained/data/collected/rows.parquet"} <= repository.kept()
    branch = "mlspec-retrained-1"
    changed = git(repository.folder / "origin.git", "show", "--name-only", "--format=%s", branch).split("\n")
    assert changed[0] == "Train on labelled predictions"
    assert {"dvc.lock", "data/collected/rows.parquet"} == set(filter(None, changed[1:]))


def test_a_person_starts_a_training_and_chooses_the_range(repository: Repository) -> None:
    code, text = repository.run("workflow_dispatch", "retrain=true", "last=6h", OUTCOME='{"reason": "none"}')
    assert code == 0, text
    assert "mlspec monitor --html --last 6h" in repository.calls
    assert "mlspec monitor retrain --hold --now --json" in repository.calls


@pytest.mark.parametrize(
    ("answers", "last"),
    [({"ALARM": "1"}, "mlspec monitor --html --last 1d"), ({"ALARM": "4", "FAILED": "4"}, "mlspec monitor save")],
    ids=["the look", "the training"],
)
def test_a_failure_fails_the_run(repository: Repository, answers: dict[str, str], last: str) -> None:
    code, _ = repository.run(**answers)
    assert code == 1
    assert repository.calls[-1] == last
    assert "mlspec monitor approve" not in repository.calls
