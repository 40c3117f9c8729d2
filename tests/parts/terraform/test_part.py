"""The generated modules: which files, what is in them, and how Terraform judges them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.parts.targets import PACKAGE, REGISTRY, codes, files, write
from tests.parts.terraform.providers import provider_folder, running_provider

SECRET = "environment: {TOKEN: {env: SERVICE_TOKEN}}"
ZIP = "train: {}\nexport: {onnx: {}}\npackage: {zip: {}}\n"
CI = "ci: {github: {repository: octo-org/cola}}\n"
SPECS = {
    "image": PACKAGE + REGISTRY + "deploy: {iac: terraform, lambda: {url: true}}\n",
    "everything": PACKAGE
    + REGISTRY.replace("}}", ', kms_key: "arn:aws:kms:eu-west-1:123456789012:key/a", pull_accounts: ["210987654321"]}}')
    + CI
    + """\
bucket: {name: team-data}
budget: {monthly: 20 USD, notify: [team@example.com]}
deploy:
  iac: terraform
  terraform: {backend: s3}
  lambda:
    url: {auth: none, cors_origins: ["https://example.org"]}
    environment: {LEVEL: 'say "$${hi}"', TOKEN: {env: SERVICE_TOKEN}}
    vpc: {subnets: [subnet-1a2b], security_groups: [sg-1a2b, sg-3c4d]}
    concurrency: {reserved: 5, provisioned: 2}
    permissions_boundary: "arn:aws:iam::123456789012:policy/limits"
    tracing: true
""",
    "http-api": PACKAGE
    + REGISTRY.replace(', account: "123456789012"', "")
    + "ci:\ndeploy: {iac: terraform, lambda: {url: {type: http-api, cors_origins: ['*']}}}\n",
    "zip": ZIP
    + "deploy: {iac: terraform, lambda: {region: us-gov-west-1, role: 'arn:aws:iam::123456789012:role/x', "
    + SECRET
    + "}}\n",
}
TERRAFORM = re.compile(r"terraform/(foundation|service)/")


@pytest.fixture
def terraform() -> str:
    return shutil.which("terraform") or missing("terraform")


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The AWS provider, running for all tests: mocked, it is asked for the schemas of its resources alone."""
    with running_provider({}) as running:
        yield running


@pytest.mark.parametrize(
    ("deploy", "expected"),
    [
        ("{iac: terraform, lambda: {}}", []),
        ("{iac: none, lambda: {}}", []),
        ("{iac: none, lambda: {" + SECRET + "}}", []),
        ("{iac: terraform, lambda: {" + SECRET + "}}", ["secret-in-state?"]),
        ("{iac: terraform}", ["section-needed"]),
        ("{iac: terraform, terraform: {backend: gcs}, lambda: {}}", ["not-one-of"]),
    ],
)
def test_findings(deploy: str, expected: list[str], tmp_path: Path) -> None:
    assert codes(tmp_path, PACKAGE + REGISTRY + f"deploy: {deploy}\n") == expected


def test_other_tools_get_no_modules(tmp_path: Path) -> None:
    spec = PACKAGE + REGISTRY + "deploy: {iac: IAC, lambda: {}}\n"
    for iac in ("none", "sam", "serverless"):
        assert not [path for path in files(tmp_path, spec.replace("IAC", iac)) if TERRAFORM.match(path)]


@pytest.mark.parametrize("name", SPECS)
def test_the_files_are_laid_out_as_terraform_lays_them_out(name: str, terraform: str, tmp_path: Path) -> None:
    write(tmp_path, SPECS[name])
    command = [terraform, "fmt", "-recursive", "-check", "-diff", "terraform"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["everything", "http-api", "zip"])
def test_terraforms_own_tests_of_the_modules_pass(
    name: str, terraform: str, provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    monkeypatch.setenv("TF_REATTACH_PROVIDERS", provider)
    write(tmp_path, SPECS[name])
    for module in sorted(folder.parent for folder in tmp_path.glob("terraform/*/versions.tf")):
        for command in (["init", "-backend=false", f"-plugin-dir={provider_folder()}"], ["test"]):
            done = subprocess.run([terraform, *command, "-no-color"], cwd=module, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        assert "0 failed" in done.stdout
        assert " 0 passed" not in done.stdout


def test_each_environment_has_a_state_of_its_own(tmp_path: Path) -> None:
    generated = files(tmp_path, SPECS["image"])
    other = files(tmp_path, SPECS["image"].replace("lambda: {", "lambda: {name: cola-prod, "))
    states = [re.findall(r'path = "(.*)"', one["terraform/service/versions.tf"]) for one in (generated, other)]
    assert states == [["cola.tfstate"], ["cola-prod.tfstate"]]


def test_a_zip_has_a_foundation_without_a_repository(tmp_path: Path) -> None:
    spec = SPECS["zip"].replace("zip: {}", "zip: {bucket: team-artifacts}") + "ci:\nbucket:\n"
    generated = files(tmp_path, spec)
    assert "terraform/foundation/registry.tf" not in generated
    outputs = re.findall(r'(?m)^output "(\w+)"', generated["terraform/foundation/outputs.tf"])
    assert outputs[:2] == ["bucket", "release_role_arn"]


def test_no_secret_and_no_free_text_is_evaluated(tmp_path: Path) -> None:
    text = files(tmp_path, SPECS["everything"])["terraform/service/function.tf"]
    assert 'LEVEL = "say \\"$${hi}\\""' in text
    assert "TOKEN = var.secret_TOKEN" in text
    assert "SERVICE_TOKEN" not in text


def test_the_releasing_role_cannot_change_infrastructure(tmp_path: Path) -> None:
    text = files(tmp_path, SPECS["everything"])["terraform/foundation/github.tf"]
    actions = set(re.findall(r'"([a-z0-9]+:[A-Z][A-Za-z]+)"', text))
    writes = {action for action in actions if re.search(r":(Create|Put|Delete|Update|Attach|Pass|Tag)", action)}
    assert writes == {"lambda:UpdateAlias", "lambda:UpdateFunctionCode", "ecr:PutImage", "logs:CreateLogStream",
                      "logs:PutLogEvents"}  # fmt: skip


def test_terraform_destroys_no_bucket(tmp_path: Path) -> None:
    """Its own tests only plan the module with one: they could not remove it at their end."""
    created = files(tmp_path, SPECS["everything"])
    assert "prevent_destroy = true" in created["terraform/foundation/bucket.tf"]
    assert "force_destroy" not in created["terraform/foundation/bucket.tf"]
    assert "command = plan" in created["terraform/foundation/tests/foundation.tftest.hcl"].partition("assert")[0]
