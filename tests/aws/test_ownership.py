"""Two projects of one name in different repositories never share what one of them has made in an account."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mlspec.aws import ownership
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.ecr import Repository, repository
from mlspec.aws.function import FunctionProvider
from mlspec.aws.function_resource import Function
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.release_events import ReleaseHistory
from mlspec.aws.repository import RepositoryProvider
from mlspec.aws.resource_owner import ResourceOwner
from mlspec.aws.resources import history_group
from mlspec.aws.role import RoleProvider
from mlspec.errors import StageError
from mlspec.records.git_commit import first_commit_address, folder_address
from mlspec.sections.delivery_tool import SAM, TERRAFORM
from mlspec.sections.registry import Ecr
from mlspec.shipping.deployment import Deployment
from mlspec.shipping.rollback import make_rollback_plan
from mlspec.shipping.target_choice import current
from mlspec.shipping.versions import version_list
from mlspec.stage_context import StageContext
from mlspec.target_facts import TargetName
from tests.aws.functions import OFFLINE, changes, converge, function

ONE, OTHER = "https://github.com/ada/birds/cola", "https://github.com/bob/bees"


def desired_repository(deployed: DesiredFunction) -> Repository:
    ecr = Ecr(repository="cola", region="eu-west-1")
    return repository(
        ecr, deployed.spec.location, deployed.project, on_lambda=True, source=deployed.target.owner.source
    )


def repository_lines(deployed: DesiredFunction) -> list[str]:
    """Give the repository its desired state; what that changed."""
    return converge(RepositoryProvider(deployed.target), "cola", desired_repository(deployed))


def role_lines(deployed: DesiredFunction) -> list[str]:
    return converge(RoleProvider(deployed.target), "cola", deployed.spec.role())


def test_another_repositorys_project_may_not_push_there(target: AwsTarget, tmp_path: Path) -> None:
    repository_lines(function(target, tmp_path, source=ONE))
    assert repository_lines(function(target, tmp_path, source=ONE)) == []
    assert repository_lines(function(target, tmp_path)) == [], "a folder without a remote has no address to compare"
    with pytest.raises(StageError) as refused:
        repository_lines(function(target, tmp_path, source=OTHER))
    assert f"it belongs to the project cola in {ONE}, and this one is in {OTHER}" in refused.value.message
    assert f"Key=mlspec:source,Value={OTHER}" in refused.value.help
    tag = refused.value.help.partition("--resource-arn ")[2].split()[0]
    new = {"Key": "mlspec:source", "Value": OTHER}
    target.client("ecr").tag_resource(resourceArn=tag, tags=[new])
    assert repository_lines(function(target, tmp_path, source=OTHER)) == []


def test_nor_run_as_its_role(target: AwsTarget, tmp_path: Path) -> None:
    role_lines(function(target, tmp_path, source=ONE))
    with pytest.raises(StageError, match=rf"iam role cola exists already: it belongs to the project cola in {ONE}"):
        role_lines(function(target, tmp_path, source=OTHER))


def test_nor_replace_its_function_nor_remove_it(tmp_path: Path) -> None:
    own, other = (function(OFFLINE, tmp_path, source=source) for source in (ONE, OTHER))
    existing = Function("cola", "Image", tags=own.spec.tags)
    assert existing.tags["mlspec:source"] == ONE
    with pytest.raises(
        StageError, match=rf"lambda function cola exists already: it belongs to the project cola in {ONE}"
    ):
        FunctionProvider(other).diff(other.function(), existing)
    assert ownership.foreign(existing.tags, "cola", own.target.owner) == ""
    assert ownership.foreign(existing.tags, "cola", other.target.owner) == f"it belongs to the project cola in {ONE}"


def test_a_function_of_an_earlier_mlspec_gets_the_address(tmp_path: Path) -> None:
    existing, deployed = function(OFFLINE, tmp_path).function(), function(OFFLINE, tmp_path, source=ONE)
    (action,) = FunctionProvider(deployed).diff(deployed.function(), existing)
    assert [(c.field, c.new) for c in action.changes] == [("mlspec:source", ONE)]


@pytest.mark.parametrize(
    ("remote", "below", "expected"),
    [
        ("git@github.com:ada/birds.git", "cola", ONE),
        ("https://ada:secret@github.com/ada/birds.git", "cola", ONE),
        ("git@github.com:bob/bees.git", ".", OTHER),
        ("https://github.com/bob/bees.git", "a #b", f"{OTHER}/a__b"),
        ("https://x.org/a/${{ github.token }}\nb", ".", ""),
        ("/srv/git/birds.git", ".", ""),
        ("", ".", ""),
    ],
)
def test_the_address_of_a_project(remote: str, below: str, expected: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    if remote:
        subprocess.run(["git", "config", "remote.origin.url", remote], cwd=tmp_path, check=True)
    (tmp_path / below).mkdir(exist_ok=True)
    assert folder_address(tmp_path / below) == expected


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def repository_with(folder: Path, content: str) -> Path:
    """A repository with two commits and no remote, and a project below its root."""
    (folder / "cola").mkdir(parents=True)
    git(folder, "init", "-q")
    for number in (1, 2):
        (folder / "cola" / "file").write_text(f"{content} {number}")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", f"{content} {number}")
    return folder


def test_without_a_remote_a_project_is_known_by_its_first_commit(tmp_path: Path) -> None:
    one, other = repository_with(tmp_path / "one", "one"), repository_with(tmp_path / "other", "other")
    git(tmp_path, "clone", "-q", str(one), "clone")
    result = first_commit_address(one / "cola")
    assert re.fullmatch("first-commit:[0-9a-f]{40}/cola", result)
    assert first_commit_address(tmp_path / "clone" / "cola") == result, "the same in every clone"
    assert first_commit_address(one) == result.removesuffix("/cola"), (
        "another folder of the repository is another project"
    )
    assert first_commit_address(other / "cola") not in ("", result)
    git(one, "commit", "-q", "--allow-empty", "-m", "three")
    assert first_commit_address(one / "cola") == result


def test_what_has_no_history_has_no_beginning(tmp_path: Path) -> None:
    one = repository_with(tmp_path / "one", "one")
    git(tmp_path, "clone", "-q", "--depth", "1", one.as_uri(), "shallow")
    assert first_commit_address(tmp_path / "shallow") == "", "its oldest commit is not the first"
    (tmp_path / "none").mkdir()
    assert first_commit_address(tmp_path / "none") == ""
    git(tmp_path / "none", "init", "-q")
    assert first_commit_address(tmp_path / "none") == ""


def test_the_target_has_both(tmp_path: Path) -> None:
    one = repository_with(tmp_path / "one", "one")
    context = StageContext(root=one / "cola")
    result = first_commit_address(one / "cola")
    assert current(context, "eu-west-1").owner == ResourceOwner(result, result)
    git(one, "remote", "add", "origin", "git@github.com:ada/birds.git")
    assert current(context, "eu-west-1").owner == ResourceOwner(ONE, result)


FIRST = "first-commit:" + "1" * 40


def converge_tagged(deployed: DesiredFunction) -> list[str]:
    """Give the repository and the log groups of a function their desired state."""
    actions = Deployment(deployed).function_actions()
    groups = [action for action in actions if action.kind == "log-group"]
    Deployment(deployed).execution(str).run(groups)
    return [*repository_lines(deployed), *(line for action in groups for line in action.lines())]


def test_a_remote_that_comes_later_changes_nobodys_property(target: AwsTarget, tmp_path: Path) -> None:
    first = replace(target, owner=ResourceOwner(beginning=FIRST))
    before, after = function(first, tmp_path, source=FIRST), function(first, tmp_path, source=ONE)
    converge_tagged(before)
    moved = f"mlspec:source: {FIRST} -> {ONE}"
    assert converge_tagged(after) == [
        f"~ ecr repository cola {moved}",
        f"~ log group /aws/lambda/cola {moved}",
        f"~ log group /mlspec/cola {moved}",
    ]
    assert converge_tagged(after) == []
    assert ownership.foreign(before.spec.tags, "cola", after.target.owner) == ""
    other = "first-commit:" + "2" * 40
    stranger = function(replace(target, owner=ResourceOwner(beginning=other)), tmp_path, source=other)
    with pytest.raises(
        StageError, match=r"to the project cola in https://github.com/ada/birds/cola, and this one is in first"
    ):
        repository_lines(stranger)


@pytest.mark.parametrize("name", ["/aws/lambda/cola", "/mlspec/cola"])
def test_nor_write_to_its_logs(name: str, target: AwsTarget, tmp_path: Path) -> None:
    """The history too: events of another project's versions would be read as the function's own."""
    own, other = (function(target, tmp_path, source=source) for source in (ONE, OTHER))
    client = target.client("logs")
    client.create_log_group(logGroupName=name, tags={"mlspec:project": "cola", "mlspec:source": OTHER})
    with pytest.raises(
        StageError, match=f"log group {name} exists already: it belongs to the project cola in {OTHER}"
    ) as refused:
        converge_tagged(own)
    assert f"--tags mlspec:source={ONE}" in refused.value.help
    assert "log-group:" in refused.value.help
    converge_tagged(other)
    assert converge_tagged(other) == []
    spec = other.spec
    info, options = spec.info.model_copy(update={"name": "mood"}), spec.options.model_copy(update={"name": "cola"})
    stranger = replace(other, spec=spec._replace(info=info, options=options))
    with pytest.raises(StageError, match="it belongs to the project cola"):
        Deployment(stranger).function_actions()


def test_a_log_group_that_lambda_created_is_the_functions_own(target: AwsTarget, tmp_path: Path) -> None:
    target.client("logs").create_log_group(logGroupName="/aws/lambda/cola")
    group = function(target, tmp_path, source=ONE).spec.log_group()
    provider = LogGroupProvider(replace(target, owner=ResourceOwner(ONE)))
    assert len(converge(provider, group.name, group)) == 4
    assert changes(provider, group.name, group) == []


def test_the_history_has_the_address_too(target: AwsTarget, tmp_path: Path) -> None:
    own = function(target, tmp_path, source=ONE)
    Deployment(own).execution(str).run(Deployment(own).history_actions())
    assert Deployment(own).history_actions() == []
    group = LogGroupProvider(target).read(history_group("cola"))
    assert group is not None
    assert (group.tags["mlspec:project"], group.tags["mlspec:source"]) == ("cola", ONE)


def test_nor_roll_its_function_back(target: AwsTarget, tmp_path: Path) -> None:
    """`mlspec rollback` in a project of the same name moves no other project's traffic."""
    own, other = (function(target, tmp_path, source=source) for source in (ONE, OTHER))
    role_lines(own)
    client, zipped = target.client("lambda"), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("handler.py", "")
    request = {k: v for k, v in own.function().to_request().items() if k in ("FunctionName", "Role", "Tags")}
    client.create_function(
        **request, Runtime="python3.12", Handler="handler.handle", Code={"ZipFile": zipped.getvalue()}, Publish=True
    )
    client.create_alias(FunctionName="cola", Name="live", FunctionVersion="1")
    versions = version_list(target, own.spec)
    with pytest.raises(
        StageError, match=f"lambda function cola exists already: it belongs to the project cola in {ONE}"
    ):
        make_rollback_plan(other, versions, "1")
    assert ReleaseHistory(target, "cola").read() == []


@pytest.mark.parametrize(
    ("kind", "source", "warned"), [("aws", "", True), ("aws", ONE, False), ("aws", FIRST, False), ("local", "", False)]
)
def test_a_folder_without_history_is_warned_about(kind: TargetName, source: str, warned: bool) -> None:
    warning = ownership.unidentified(AwsTarget(kind, "eu-west-1", owner=ResourceOwner(source)), "cola")
    assert warning.startswith("this folder has no git history") == warned
    assert bool(warning) == warned


def test_a_repository_of_an_earlier_mlspec_gets_the_address(target: AwsTarget, tmp_path: Path) -> None:
    repository_lines(function(target, tmp_path))
    assert repository_lines(function(target, tmp_path, source=ONE)) == [f"~ ecr repository cola mlspec:source: {ONE}"]
    with pytest.raises(StageError, match="this one is in"):
        repository_lines(function(target, tmp_path, source=OTHER))


def without_tags(target: AwsTarget, tmp_path: Path) -> DesiredFunction:
    """A function whose repository, role and code somebody created in the console."""
    deployed = function(target, tmp_path)
    repository_lines(deployed)
    role_lines(deployed)
    ecr, iam, lambda_ = (target.client(name) for name in ("ecr", "iam", "lambda"))
    keys = ["mlspec:project", "mlspec:managed-by"]
    arn = ecr.describe_repositories(repositoryNames=["cola"])["repositories"][0]["repositoryArn"]
    ecr.untag_resource(resourceArn=arn, tagKeys=keys)
    iam.untag_role(RoleName="cola", TagKeys=keys)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "")
    lambda_.create_function(
        FunctionName="cola", Role=deployed.spec.role_arn, Runtime="python3.12", Handler="handler.handle",
        Code={"ZipFile": code.getvalue()},
    )  # fmt: skip
    return deployed


def test_what_no_project_has_tagged_is_taken_over_on_request_only(target: AwsTarget, tmp_path: Path) -> None:
    without_tags(target, tmp_path)
    for lines in (repository_lines, role_lines):
        with pytest.raises(StageError, match="it was not created by mlspec") as refused:
            lines(function(target, tmp_path))
        assert "mlspec apply --adopt" in refused.value.help
    taking = replace(target, owner=ResourceOwner(adopts=True))
    assert [line for line in repository_lines(function(taking, tmp_path)) if "mlspec:" in line] == [
        "~ ecr repository cola mlspec:project: cola",
        "~ ecr repository cola mlspec:managed-by: mlspec",
    ]
    assert any("mlspec:project" in line for line in role_lines(function(taking, tmp_path)))
    for lines in (repository_lines, role_lines):
        assert lines(function(target, tmp_path)) == [], "afterwards it is the project's"


def test_a_function_of_the_console_is_taken_over(target: AwsTarget, tmp_path: Path) -> None:
    deployed = without_tags(target, tmp_path)
    existing = FunctionProvider(deployed).read("cola")
    assert existing is not None
    ownership.check_ownership("lambda function cola", existing.tags, "cola", "", ResourceOwner(adopts=True))
    with pytest.raises(StageError, match="not created by mlspec"):
        ownership.check_ownership("lambda function cola", existing.tags, "cola", "", target.owner)


def test_another_projects_resource_is_never_taken_over(target: AwsTarget) -> None:
    with pytest.raises(StageError, match="it belongs to the project bees"):
        ownership.check_ownership("x", {"mlspec:project": "bees"}, "cola", "tag {}={}", ResourceOwner(adopts=True))


def test_a_function_of_a_stack_is_left_to_the_stack(target: AwsTarget, tmp_path: Path) -> None:
    """CloudFormation tags what it creates; the project's own tags are on it too."""
    own = function(target, tmp_path)
    existing = replace(own.function(), tags={**own.spec.tags, "aws:cloudformation:stack-name": "cola"})
    assert FunctionProvider(own).diff(own.function(), existing) == [], "what outlives its stack keeps the tag"
    body = "Resources: {Logs: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: one}}}"
    target.client("cloudformation").create_stack(StackName="cola", TemplateBody=body)
    with pytest.raises(StageError, match="belongs to the cloudformation stack cola") as refused:
        FunctionProvider(own).diff(own.function(), existing)
    assert "mlspec destroy" in refused.value.help
    FunctionProvider(replace(own, tool=SAM)).diff(own.function(), existing)
    with pytest.raises(StageError, match="belongs to the cloudformation stack cola"):
        FunctionProvider(replace(own, tool=TERRAFORM)).diff(own.function(), existing)
