"""The generated templates: which files, what is in them, and how their judges find them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.parts.cloudformation.stacks import stack_function
from mlspec.parts.sam.sam_templates import secret_parameters, stack_name
from mlspec.sections.deploy import Lambda
from tests.parts.cloudformation import stack_specs
from tests.parts.sam.sam_environment import sam_folder
from tests.parts.targets import PACKAGE, REGISTRY, codes, files, write

SPECS = {name: text.replace("IAC", "sam") for name, text in stack_specs.SPECS.items()}
CANARY = 'strategy: canary, abort_if: {error_rate: "> 0.01"}'


@pytest.mark.parametrize(
    ("deploy", "expected"),
    [
        ("{iac: sam, lambda: {}}", []),
        ("{iac: sam}", ["section-needed"]),
        ("{iac: sam, lambda: {}, rollout: {" + CANARY + "}}", []),
        ("{iac: sam, lambda: {}, rollout: {" + CANARY + ", steps: [5, 100], interval: 1h}}", []),
        ("{iac: sam, lambda: {}, rollout: {" + CANARY.replace("canary", "linear") + ", steps: [40, 80, 100]}}", []),
        ("{iac: sam, lambda: {}, rollout: {strategy: blue-green}}", ["rollout-not-in-codedeploy"]),
        ("{iac: sam, lambda: {}, rollout: {abort_if: {error_rate: '> 0.1'}}}", ["rollout-not-in-codedeploy"]),
        ("{iac: sam, lambda: {}, rollout: {" + CANARY + ", patience: 1h}}", ["rollout-not-in-codedeploy"]),
        ("{iac: sam, lambda: {}, rollout: {" + CANARY + ", steps: [2.5, 100]}}", ["rollout-not-in-codedeploy"]),
        ("{iac: sam, lambda: {}, rollout: {" + CANARY + ", interval: 90s}}", ["rollout-not-in-codedeploy"]),
        (
            "{iac: sam, lambda: {}, rollout: {" + CANARY.replace("canary", "linear") + ", steps: [10, 50, 100]}}",
            ["rollout-not-in-codedeploy"],
        ),
        ("{lambda: {}, rollout: {" + CANARY + ", steps: [10, 50, 100], min_requests: 200}}", []),
        ("{iac: sam, lambda: {environment: {Ref: x, Other: y}}}", []),
        ("{iac: sam, lambda: {environment: {Ref: x}}}", ["template-text"]),
    ],
)
def test_findings(deploy: str, expected: list[str], tmp_path: Path) -> None:
    assert codes(tmp_path, PACKAGE + REGISTRY + f"deploy: {deploy}\n") == expected


def test_a_zip_needs_a_bucket(tmp_path: Path) -> None:
    assert codes(tmp_path, SPECS["zip"].replace("{bucket: team-artifacts}", "{}")) == ["section-needed"]


def test_which_files_there_are(tmp_path: Path) -> None:
    listed = {name: {path for path in files(tmp_path, text) if path.startswith("sam/")} for name, text in SPECS.items()}
    both = {"sam/foundation.yaml", "sam/service.yaml", "sam/samconfig.toml"}
    assert listed == {"image": both, "everything": both, "http-api": both, "zip": both - {"sam/foundation.yaml"}}
    assert not [path for path in files(tmp_path, SPECS["image"].replace("iac: sam, ", "")) if path.startswith("sam/")]


@pytest.mark.parametrize("name", SPECS)
def test_cfn_lint_finds_nothing(name: str, tmp_path: Path) -> None:
    from cfnlint import lint

    texts = [text for path, text in files(tmp_path, SPECS[name]).items() if path.startswith("sam/") and ".yaml" in path]
    region = "us-gov-west-1" if name == "zip" else "eu-west-1"
    assert [str(match) for text in texts for match in lint(text, regions=[region])] == []


@pytest.mark.slow
@pytest.mark.parametrize("stack", ["foundation", "service"])
def test_sam_validates_the_templates_by_the_generated_settings(stack: str, tmp_path: Path) -> None:
    write(tmp_path, SPECS["everything"])
    command = [str(sam_folder() / "bin" / "sam"), "validate", "--config-env", stack]
    environ = {**os.environ, "HOME": str(tmp_path), "SAM_CLI_TELEMETRY": "0", "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=tmp_path / "sam", env=environ, capture_output=True, text=True)
    assert (done.returncode, "is a valid SAM Template" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_secret_is_a_parameter_and_free_text_stays_text(tmp_path: Path) -> None:
    environment = "environment: {LEVEL: 'say \"$${AWS::AccountId}\"', TOKEN: {env: SERVICE_TOKEN}}"
    text = files(tmp_path, PACKAGE + REGISTRY + "deploy: {iac: sam, lambda: {" + environment + "}}\n")[
        "sam/service.yaml"
    ]
    assert 'LEVEL: say "${AWS::AccountId}"' in text
    assert "TOKEN: !Ref SecretToken" in text
    assert "SERVICE_TOKEN" not in text


def test_each_secret_has_a_parameter_of_its_own() -> None:
    names = ["A_B", "AB", "A__B", "Ab"]
    options = Lambda.model_validate({"environment": {name: {"env": "X"} for name in names}})
    parameters = secret_parameters(options)
    assert list(parameters) == names
    assert len(set(parameters.values())) == len(names)
    assert all(value.isalnum() for value in parameters.values())


@pytest.mark.parametrize(
    ("function", "expected"), [("cola", "cola"), ("my_model", "my-model"), ("7th", "mlspec-7th"), ("_x", "mlspec--x")]
)
def test_the_name_of_a_stack_is_valid(function: str, expected: str, tmp_path: Path) -> None:
    spec = tmp_path / "mlproject.yaml"
    write(tmp_path, SPECS["image"].replace("lambda: {", f"lambda: {{name: {function}, "))
    result = stack_function(compile_project(spec).project)
    assert result is not None
    assert [stack_name(result, part) for part in ("service", "foundation")] == [expected, f"{expected}-foundation"]


def test_an_alarm_is_on_the_new_version_and_rolls_back(tmp_path: Path) -> None:
    text = files(tmp_path, SPECS["everything"])["sam/service.yaml"]
    assert text.count("Value: !GetAtt Function.Version.Version") == 7
    assert "Alarms:\n          - !Ref ErrorRateAlarm" in text


def test_the_releasing_role_writes_a_role_only_within_the_boundary(tmp_path: Path) -> None:
    with_boundary = files(tmp_path, SPECS["everything"])["sam/foundation.yaml"]
    without = files(tmp_path, SPECS["everything"].replace("    permissions_boundary:", "    # "))["sam/foundation.yaml"]
    assert "iam:PutRolePolicy" in with_boundary
    assert "iam:PermissionsBoundary: arn:aws:iam::123456789012:policy/limits" in with_boundary
    assert "iam:PutRolePolicy" not in without
    assert "Resource: '*'" in without, "of actions that know no resource"
