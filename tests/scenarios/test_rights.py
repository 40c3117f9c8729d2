"""Users with the generated policies and nothing else, in an emulated account that refuses what no policy allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from mlspec.aws.aws_target import AwsTarget
from mlspec.errors import StageError
from mlspec.parts.bucket import work as bucket
from tests.integration.account_roles import assumed, create_roles
from tests.parts.targets import BASE, EXPORT
from tests.shipping.cloud import REGISTRY, Run, Shipped
from tests.shipping.stack_account import ACCOUNT, empty_account
from tests.shipping.zipped import zip_project, zipped

ADMINISTRATOR, DEPLOY = "lambda/role-admin-policy.json", "lambda/deploy-policy.json"
FUNCTION = (
    "{url: {type: http-api, cors_origins: ['*']}, environment: {LEVEL: info}, log_retention: 30, "
    "concurrency: {reserved: 2}, alarms: {error_rate: '> 0.05'}, tracing: true}"
)


@pytest.fixture
def target(ministack_with_rights: str) -> AwsTarget:
    """The account, empty, beside the real registry of this machine; as its administrator."""
    empty_account(ministack_with_rights)
    return AwsTarget("aws", "eu-west-1", ministack_with_rights, REGISTRY, ("testing", "testing"))


def user(project: Shipped, name: str, policies: Sequence[str]) -> Shipped:
    """The project as a user sees it who has those of its policies."""
    iam = project.target.client("iam")
    iam.create_user(UserName=name)
    texts = {file.path: file.text for file in project.files()}
    for path in policies:
        document = texts[path].replace("${AWS_ACCOUNT_ID}", ACCOUNT)
        iam.put_user_policy(UserName=name, PolicyName=Path(path).stem, PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return replace(project, target=replace(project.target, credentials=(key["AccessKeyId"], key["SecretAccessKey"])))


def test_each_policy_is_enough_for_its_command(shipped: Callable[..., Shipped], mlspec: Run) -> None:
    project = shipped(FUNCTION)
    pusher = user(project, "pusher", ["ecr/push-policy.json"])
    deployer = user(project, "deployer", [DEPLOY])
    with pytest.raises(StageError, match="may not do ecr:"):
        deployer.push()
    pusher.push()
    with pytest.raises(StageError, match=r"iam:CreateRole"):
        deployer.deploy()
    user(project, "administrator", [DEPLOY, ADMINISTRATOR]).deploy()
    for old, new in (("LEVEL: info", "LEVEL: debug"), ("0.05", "0.04"), ("reserved: 2", "reserved: 3")):
        project.spec(old, new)
        deployer.deploy()
    project.image("two")
    pusher.push()
    deployer.deploy()
    alias = project.target.client("lambda").get_alias(FunctionName=project.root.name, Name="live")
    assert alias["FunctionVersion"] == "3"

    remover = user(project, "remover", ["lambda/destroy-policy.json"])
    key, secret = remover.target.credentials or ("", "")
    emulated = {"AWS_ENDPOINT_URL": project.target.endpoint or ""}
    keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    code, out, err = mlspec(project, "destroy", "--images", "--yes", **emulated, **keys)
    assert code == 0, out + err
    assert project.target.client("lambda").list_functions()["Functions"] == []
    assert project.target.client("ecr").describe_repositories()["repositories"] == []
    assert project.target.client("iam").list_roles()["Roles"] == []


def test_a_zip_goes_through_the_bucket_of_the_project(target: AwsTarget, tmp_path: Path) -> None:
    spec = (
        "bucket: {name: team-data}\npackage: {zip: {bucket: team-data}}\n"
        "deploy: {lambda: {region: eu-west-1, memory: 512, url: {auth: none}}}\n"
    )
    root = tmp_path / "cola"
    root.mkdir()
    project = zip_project(target, root, BASE + EXPORT + spec)
    zipped(project, "one")
    owner = user(project, "owner", ["s3/bucket-admin-policy.json"])
    bucket.ship(owner.job(), owner.target)
    user(project, "administrator", [DEPLOY, ADMINISTRATOR]).deploy()
    zipped(project, "two")
    user(project, "deployer", [DEPLOY]).deploy()
    alias = target.client("lambda").get_alias(FunctionName=project.root.name, Name="live")
    assert alias["FunctionVersion"] == "2"


RELEASE = "repo:octo-org/cola:environment:production"
TRAINING = "repo:octo-org/cola:environment:training"
PULL_REQUEST = "repo:octo-org/cola:pull_request"
FORK = "repo:fork/cola:environment:production"


def test_only_the_jobs_that_a_role_is_for_may_assume_it(target: AwsTarget, tmp_path: Path) -> None:
    root = tmp_path / "cola"
    root.mkdir()
    spec = "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\nci: {github: {repository: octo-org/cola}}\n"
    project = zip_project(target, root, BASE.replace("data:", "data:\n  remote: s3://team-data/dvc") + EXPORT + spec)
    project.write_files()
    create_roles(root, target.client("iam"))
    allowed = {
        (role, subject)
        for role in ("release", "data", "data-read")
        for subject in (RELEASE, TRAINING, PULL_REQUEST, FORK)
        if may_assume(target, role, subject)
    }
    assert allowed == {
        ("release", RELEASE), ("data", TRAINING), ("data-read", RELEASE), ("data-read", TRAINING),
        ("data-read", PULL_REQUEST),
    }  # fmt: skip


def may_assume(target: AwsTarget, role: str, subject: str) -> bool:
    try:
        assumed(target.client("sts"), "cola", role, subject)
    except ClientError:
        return False
    return True
