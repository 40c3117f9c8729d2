"""Two projects of one name in different repositories never share what one of them has made in an account."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlspec.aws import function, log_group, repository, role
from mlspec.aws.aws_target import AwsTarget, Kind
from mlspec.aws.cli_input import Function
from mlspec.aws.converge import carry_out, changes, nameless
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.release_events import ReleaseHistory
from mlspec.errors import StageError
from mlspec.records.git_commit import first_commit_address, folder_address
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.shipping import removal
from mlspec.shipping.rollback import take_back
from mlspec.shipping.start_rollout import history
from mlspec.shipping.target_choice import current
from mlspec.shipping.versions import version_list
from mlspec.stage_context import StageContext
from tests.parts.targets import LAMBDA, build

ONE, OTHER = "https://github.com/ada/birds/cola", "https://github.com/bob/bees"
DIGEST = "sha256:" + "1" * 64


def wanted(target: AwsTarget, folder: Path, source: str) -> DesiredFunction:
    project = build(folder, LAMBDA).project
    options = project.need(Deploy).lambda_
    assert options is not None
    made = Function(project.info, options, project.need(Package), project.need(Registry).ecr)
    return DesiredFunction(replace(target, source=source), made, f"host/cola@{DIGEST}", {})


def steps(asked: DesiredFunction) -> list[Any]:
    return repository.steps(asked.target, asked.function.ecr, asked.project, True)


def test_another_repositorys_project_may_not_push_there(target: AwsTarget, tmp_path: Path) -> None:
    carry_out(steps(wanted(target, tmp_path, ONE)), str)
    assert steps(wanted(target, tmp_path, ONE)) == []
    assert steps(wanted(target, tmp_path, "")) == [], "a folder without a remote has no address to compare"
    with pytest.raises(StageError) as refused:
        steps(wanted(target, tmp_path, OTHER))
    assert f"ecr repository cola already, of the project cola in {ONE}, and this one is in {OTHER}" in (
        refused.value.message
    )
    assert f"Key=mlspec:source,Value={OTHER}" in refused.value.help
    tag = refused.value.help.partition("--resource-arn ")[2].split()[0]
    new = {"Key": "mlspec:source", "Value": OTHER}
    target.client("ecr").tag_resource(resourceArn=tag, tags=[new])
    assert steps(wanted(target, tmp_path, OTHER)) == []


def test_nor_run_as_its_role(target: AwsTarget, tmp_path: Path) -> None:
    carry_out(role.steps(wanted(target, tmp_path, ONE)), str)
    with pytest.raises(StageError, match=rf"iam role cola already, of the project cola in {ONE}"):
        role.steps(wanted(target, tmp_path, OTHER))


def test_nor_replace_its_function_nor_remove_it(tmp_path: Path) -> None:
    target = AwsTarget("aws", "eu-west-1", "http://127.0.0.1:9", "", ("testing", "testing"))
    mine, other = (wanted(target, tmp_path, source) for source in (ONE, OTHER))
    tags = mine.input()["Tags"]
    assert tags["mlspec:source"] == ONE
    found: dict[str, Any] = {"Configuration": {}, "Code": {}, "Tags": tags}
    with pytest.raises(StageError, match=rf"lambda function cola already, of the project cola in {ONE}"):
        function.steps(other, found)
    assert removal._left(mine, tags) == ""
    assert removal._left(other, tags) == f"it belongs to the project cola in {ONE}"


def test_a_function_of_an_earlier_mlspec_gets_the_address(tmp_path: Path) -> None:
    target = AwsTarget("aws", "eu-west-1", "http://127.0.0.1:9", "", ("testing", "testing"))
    old = wanted(target, tmp_path, "").input()
    code = {"ResolvedImageUri": f"host/cola@{DIGEST}"}
    config = {**old, "ImageConfigResponse": {"ImageConfig": old["ImageConfig"]}}
    found = {"Configuration": config, "Code": code, "Tags": old["Tags"]}
    shown = changes(function.steps(wanted(target, tmp_path, ONE), found))
    assert [(c.setting, c.new) for c in shown] == [("mlspec:source", ONE)]


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
    found = first_commit_address(one / "cola")
    assert re.fullmatch("first-commit:[0-9a-f]{40}/cola", found)
    assert first_commit_address(tmp_path / "clone" / "cola") == found, "the same in every clone"
    assert first_commit_address(one) == found.removesuffix("/cola"), (
        "another folder of the repository is another project"
    )
    assert first_commit_address(other / "cola") not in ("", found)
    git(one, "commit", "-q", "--allow-empty", "-m", "three")
    assert first_commit_address(one / "cola") == found


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
    found = first_commit_address(one / "cola")
    assert (current(context, "eu-west-1").source, current(context, "eu-west-1").beginning) == (found, found)
    git(one, "remote", "add", "origin", "git@github.com:ada/birds.git")
    assert (current(context, "eu-west-1").source, current(context, "eu-west-1").beginning) == (ONE, found)


FIRST = "first-commit:" + "1" * 40


def test_a_remote_that_comes_later_changes_nobodys_property(target: AwsTarget, tmp_path: Path) -> None:
    before = wanted(replace(target, beginning=FIRST), tmp_path, FIRST)
    after = wanted(replace(target, beginning=FIRST), tmp_path, ONE)
    carry_out([*steps(before), *log_group.steps(before)], str)
    made = changes([*steps(after), *log_group.steps(after)])
    assert [(c.setting, c.old, c.new) for c in made] == [("mlspec:source", FIRST, ONE)] * 2
    carry_out([*steps(after), *log_group.steps(after)], str)
    assert [*steps(after), *log_group.steps(after)] == []
    assert removal._left(after, before.input()["Tags"]) == ""
    stranger = wanted(replace(target, beginning="first-commit:" + "2" * 40), tmp_path, "first-commit:" + "2" * 40)
    with pytest.raises(
        StageError, match=r"of the project cola in https://github.com/ada/birds/cola, and this one is in first"
    ):
        steps(stranger)


@pytest.mark.parametrize("name", ["/aws/lambda/cola", "/mlspec/cola"])
def test_nor_write_to_its_logs(name: str, target: AwsTarget, tmp_path: Path) -> None:
    """The history too: events of another project's versions would be read as the function's own."""
    mine, other = (wanted(target, tmp_path, source) for source in (ONE, OTHER))
    client = target.client("logs")
    client.create_log_group(logGroupName=name, tags={"mlspec:project": "cola", "mlspec:source": OTHER})
    with pytest.raises(
        StageError, match=f"there is a log group {name} already, of the project cola in {OTHER}"
    ) as refused:
        log_group.steps(mine)
    assert f"--tags mlspec:source={ONE}" in refused.value.help
    assert "log-group:" in refused.value.help
    carry_out(log_group.steps(other), str)
    assert log_group.steps(other) == []
    strangers = wanted(target, tmp_path, OTHER)
    strangers = replace(
        strangers,
        function=replace(strangers.function, info=strangers.function.info.model_copy(update={"name": "mood"})),
    )
    strangers = replace(
        strangers,
        function=replace(strangers.function, options=strangers.function.options.model_copy(update={"name": "cola"})),
    )
    with pytest.raises(StageError, match="it belongs to the project cola"):
        log_group.steps(strangers)


def test_a_log_group_that_lambda_made_is_the_functions_own(target: AwsTarget, tmp_path: Path) -> None:
    target.client("logs").create_log_group(logGroupName="/aws/lambda/cola")
    mine = wanted(target, tmp_path, ONE)
    carry_out(log_group.steps(mine), str)
    assert log_group.steps(mine) == []


def test_the_history_has_the_address_too(target: AwsTarget, tmp_path: Path) -> None:
    mine = wanted(target, tmp_path, ONE)
    history(mine.target, mine.function).add("published", "1")
    group = log_group.read(target, "/mlspec/cola")
    assert group is not None
    tags = target.client("logs").list_tags_for_resource(resourceArn=log_group.arn_of(group))["tags"]
    assert (tags["mlspec:project"], tags["mlspec:source"]) == ("cola", ONE)


def test_nor_take_its_function_back(target: AwsTarget, tmp_path: Path) -> None:
    """`mlspec rollback` in a project of the same name moves nobody else's traffic."""
    mine, other = (wanted(target, tmp_path, source) for source in (ONE, OTHER))
    carry_out(role.steps(mine), str)
    client, zipped = target.client("lambda"), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("handler.py", "")
    given = {k: v for k, v in mine.input().items() if k in ("FunctionName", "Role", "Tags")}
    client.create_function(
        **given, Runtime="python3.12", Handler="handler.handle", Code={"ZipFile": zipped.getvalue()}, Publish=True
    )
    client.create_alias(FunctionName="cola", Name="live", FunctionVersion="1")
    found = version_list(target, mine.function)
    with pytest.raises(StageError, match=f"lambda function cola already, of the project cola in {ONE}"):
        take_back(other.target, other.function, found, "1", "")
    assert ReleaseHistory(target, "cola").read() == []


@pytest.mark.parametrize(
    ("kind", "source", "said"), [("aws", "", True), ("aws", ONE, False), ("aws", FIRST, False), ("local", "", False)]
)
def test_a_folder_without_history_is_warned_about(kind: Kind, source: str, said: bool) -> None:
    found = nameless(AwsTarget(kind, "eu-west-1", source=source), "cola")
    assert found.startswith("this folder has no git history") == said
    assert bool(found) == said


def test_a_repository_of_an_earlier_mlspec_gets_the_address(target: AwsTarget, tmp_path: Path) -> None:
    carry_out(steps(wanted(target, tmp_path, "")), str)
    assert [(c.setting, c.new) for c in changes(steps(wanted(target, tmp_path, ONE)))] == [("mlspec:source", ONE)]
    carry_out(steps(wanted(target, tmp_path, ONE)), str)
    with pytest.raises(StageError, match="this one is in"):
        steps(wanted(target, tmp_path, OTHER))
