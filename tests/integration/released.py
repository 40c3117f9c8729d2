"""A repository with a trained project that workflows release to an emulated AWS, with the real programs.

The account refuses what no policy allows, and each job acts as the role that it assumes. What is not real is in `STAND_INS`,
each with the reason.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from mlspec.parts.ci.action_pins import ACTIONS
from tests.bare_jobs import bare_jobs
from tests.conftest import CHECKOUT, missing
from tests.integration.account_roles import create_roles
from tests.sharing import once, shared_folder
from tests.shipping.stack_account import empty_account
from tests.warm_python import WarmPython
from tests.workflow_examples import without_tests
from tests.workflow_runner import WorkflowResult, Workflows, act_program, git, real_programs, role_action

RELEASE: Final = ".github/workflows/mlspec-release.yaml"
DATA: Final = "penguins-data"
"""The bucket with the DVC remote, and with labels of predictions."""
_ZIPS: Final = "penguins-zips"
_SECTIONS: Final = f"""\
monitor:
  drift: {{traffic: 1000 per 1d}}
  labels: {{source: "s3://{DATA}/labels/*.csv"}}
  on_drift: retrain
  retrain: {{min_rows: 150}}
package: {{zip: {{bucket: {_ZIPS}}}}}
deploy: {{lambda: {{region: eu-west-1, memory: 512}}}}
ci: {{github: {{repository: octo-org/penguins}}}}
"""
_EDITS: Final = (
    (r"(?ms)^experiments:.*?(?=^evaluate:)|^monitor:.*", ""),
    ("  track: git .*", f"  remote: s3://{DATA}/dvc\n  collected: data/collected"),
    ('accuracy: ">= 0.9", mcc: ">= 0.85"', 'accuracy: ">= 0.7"'),
)
"""From the starter to a project that is trained in seconds, also on rows that have moved."""


class StandIn(NamedTuple):
    """A program of a workflow that is not the one in its path."""

    reason: str
    script: str


STAND_INS: Final[Mapping[str, StandIn]] = {
    "docker": StandIn(
        "AWS's image is in a registry that is out of reach: the emulator in it comes from a Python package",
        'case "$1" in create) echo emulator ;; cp) cp "$EMULATOR" "$3" ;; rm) ;; *) exit 1 ;; esac\n',
    ),
    "gh": StandIn("GitHub stores attestations and pull requests", 'case "$1 $2" in "pr list") echo 0 ;; *) ;; esac\n'),
    "npm": StandIn("osls is installed already", '[ "${*: -1}" = osls@4.3.1 ]\n'),
    "osls": StandIn("the real program, from its own folder", 'exec "$OSLS" "$@"\n'),
    "sam": StandIn("the real program, from an environment of its own", 'exec "$SAM" "$@"\n'),
}
"""Program to what takes its place. Everything else in a workflow is real, but for GitHub's own actions and pip."""


_ASSUME: Final = role_action('"$TEST_PYTHON" -m tests.integration.account_roles "$ROLE" "$REGION"')
"""The action that assumes a role: with a token of the job's environment, at the emulated account."""


_FOUNDATIONS: Final = {"sam": "sam-foundation", "serverless": "serverless-foundation", "terraform": "foundation"}
"""Tool to the stage that creates the roles."""


@dataclass
class Released(Workflows):
    """The repository, with the real programs and an emulated AWS."""

    aws: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a person with the rights of an administrator."""
        keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing")
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        own = {"AWS_ENDPOINT_URL": self.aws, "AWS_DEFAULT_REGION": "eu-west-1", "CALLS": os.devnull, "PATH": path}
        return {**os.environ, **keys, **self.variables, **own}

    def program(self, *words: str) -> str:
        """What a person runs: the output."""
        command = [str(self.folder / "bin" / words[0]), *words[1:]]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def model(self, number: int, iac: str = "none") -> None:
        """Commit the project with the first or the second model."""
        git(self.root, "checkout", "-q", "--force", f"model-{number}", "--", ".")
        spec = self.root / "mlproject.yaml"
        text = spec.read_text(encoding="utf-8")
        spec.write_text(text.replace("{lambda:", f"{{iac: {iac}, lambda:"), encoding="utf-8")
        self.program("mlspec", "build")
        self.commit()

    def administer(self, iac: str = "none") -> None:
        """What an administrator does once: the first deployment, and the roles of the workflows."""
        self.program("dvc", "pull", "--force")
        if iac == "none":
            create_roles(self.root, self.client("iam"))
        else:
            self.program("mlspec", "apply", "--until", _FOUNDATIONS[iac], "--yes")
        self.program("mlspec", "apply", "--until", "deploy", "--yes")

    def run(self, workflow: str, event: str, inputs: Mapping[str, str] | None = None, **payload: Any) -> WorkflowResult:
        """Run a workflow, each of whose jobs has the token of its environment."""
        owner = "repo:octo-org/penguins"
        environments = {name: job.get("environment") for name, job in self.jobs(workflow).items()}
        subjects = {
            job: f"{owner}:environment:{name['name'] if isinstance(name, dict) else name}"
            if name
            else f"{owner}:ref:refs/heads/main"
            for job, name in environments.items()
        }
        self.variables["SUBJECTS"] = json.dumps(subjects)
        return super().run(workflow, event, inputs, **payload)

    def release(self) -> WorkflowResult:
        """Run the release workflow for a tag."""
        return self.run(RELEASE, "push", ref="refs/tags/v1.0.0", repository={"private": False})

    def client(self, service: str) -> Any:
        """A client of the emulated AWS."""
        import boto3

        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, endpoint_url=self.aws, region_name="eu-west-1", **keys)

    def answered(self, rows: Sequence[Mapping[str, object]]) -> dict[str, Any]:
        """What the function that is live answers: it runs in the account, with the Python of its runtime."""
        context = {"stage": "$default", "http": {"method": "POST", "path": "/predict", "sourceIp": "127.0.0.1"}}
        event = {
            "version": "2.0", "routeKey": "$default", "rawPath": "/predict", "rawQueryString": "", "requestContext": context,
            "headers": {"content-type": "application/json"}, "body": json.dumps(rows), "isBase64Encoded": False,
        }  # fmt: skip
        client = self.client("lambda")
        answer = client.invoke(FunctionName="penguins", Qualifier="live", Payload=json.dumps(event))
        given: dict[str, Any] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, given
        assert given["statusCode"] == HTTPStatus.OK, given
        return given

    def live(self) -> tuple[str, str]:
        """The version that the alias is on, and the digest of its code."""
        version = self.client("lambda").get_alias(FunctionName="penguins", Name="live")["FunctionVersion"]
        function = self.client("lambda").get_function_configuration(FunctionName="penguins", Qualifier=version)
        return str(version), str(function["CodeSha256"])


@pytest.fixture(scope="session")
def _models(tmp_path_factory: pytest.TempPathFactory, warm: WarmPython) -> Path:
    """The repository with two commits, a trained model in each; their zips are in the DVC cache."""

    def create(folder: Path) -> None:
        root, mlspec, environment = folder / "penguins", str(warm.bin / "mlspec"), warm.variables(os.environ)
        subprocess.run([mlspec, "init", "--template", "tabular", str(root)], check=True)
        without_tests(root)
        spec = root / "mlproject.yaml"
        text = spec.read_text(encoding="utf-8")
        for pattern, new in _EDITS:
            text, count = re.subn(pattern, new, text)
            assert count, pattern
        git(root, "init", "-q", "-b", "main")
        for number in (1, 2):
            trained = text.replace("max_epochs: 40", f"max_epochs: 12\n  seed: {number}")
            spec.write_text(trained + _SECTIONS, encoding="utf-8")
            command = [mlspec, "apply", "--until", "package", "--yes"]
            subprocess.run(command, cwd=root, env=environment, check=True)
            git(root, "add", ".")
            git(root, "commit", "-qm", f"model {number}")
            git(root, "tag", f"model-{number}")

    return once(shared_folder(tmp_path_factory, "released"), create) / "penguins"


@pytest.fixture
def released(_models: Path, ministack_with_rights: str, warm: WarmPython, bare: WarmPython, tmp_path: Path) -> Released:
    """The repository, and an account with nothing but two buckets; in one of them is what DVC has stored."""
    act_program()
    empty_account(ministack_with_rights)
    root, folder = tmp_path / "penguins", tmp_path / "run"
    shutil.copytree(_models, root, symlinks=True)
    real_programs(folder / "bin", warm, {name: each.script for name, each in STAND_INS.items()})
    bare_jobs(folder, warm.python, bare)
    emulator = os.environ.get("MLSPEC_LAMBDA_EMULATOR") or missing("the Lambda emulator (MLSPEC_LAMBDA_EMULATOR)")
    variables = {
        "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1",
        "TEST_PYTHON": sys.executable, "EMULATOR": str(emulator), "PROJECT": root.name,
        "SAM_CLI_POLL_DELAY": "0.2", "SLS_AWS_MONITORING_FREQUENCY": "200", "AWS_STAND_IN": ministack_with_rights,
    }  # fmt: skip
    action = "aws-actions/configure-aws-credentials"
    actions = {f"{action}@{ACTIONS[action][0]}": _ASSUME}
    repository = Released(root, folder, variables, actions, aws=ministack_with_rights)
    for bucket in (DATA, _ZIPS):
        place = {"LocationConstraint": "eu-west-1"}
        repository.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    repository.program("dvc", "push", "--quiet", "--all-tags", "--run-cache")
    shutil.rmtree(root / ".dvc" / "cache")
    return repository
