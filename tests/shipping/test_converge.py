"""Two projects of one name in different repositories never share what one of them has made in an account."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from mlspec.parts.deploy.settings import Function
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.shipping import function, removal, repository, role
from mlspec.shipping.converge import carry_out, changes
from mlspec.shipping.record import address
from mlspec.shipping.target import Target
from mlspec.shipping.wanted import Wanted
from tests.parts.targets import LAMBDA, build

ONE, OTHER = "https://github.com/ada/birds/cola", "https://github.com/bob/bees"
DIGEST = "sha256:" + "1" * 64


def wanted(target: Target, folder: Path, source: str) -> Wanted:
    project = build(folder, LAMBDA).project
    options = project.need(Deploy).lambda_
    assert options is not None
    made = Function(project.info, options, project.need(Package), project.need(Registry).ecr)
    return Wanted(replace(target, source=source), made, f"host/cola@{DIGEST}", {})


def steps(asked: Wanted) -> list[Any]:
    return repository.steps(asked.target, asked.function.ecr, asked.project, True)


def test_another_repositorys_project_may_not_push_there(target: Target, tmp_path: Path) -> None:
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


def test_nor_run_as_its_role(target: Target, tmp_path: Path) -> None:
    carry_out(role.steps(wanted(target, tmp_path, ONE)), str)
    with pytest.raises(StageError, match=rf"iam role cola already, of the project cola in {ONE}"):
        role.steps(wanted(target, tmp_path, OTHER))


def test_nor_replace_its_function_nor_remove_it(tmp_path: Path) -> None:
    target = Target("aws", "eu-west-1", "http://127.0.0.1:9", "", ("testing", "testing"))
    mine, other = (wanted(target, tmp_path, source) for source in (ONE, OTHER))
    tags = mine.input()["Tags"]
    assert tags["mlspec:source"] == ONE
    found: dict[str, Any] = {"Configuration": {}, "Code": {}, "Tags": tags}
    with pytest.raises(StageError, match=rf"lambda function cola already, of the project cola in {ONE}"):
        function.steps(other, found)
    assert removal._left(mine, tags) == ""
    assert removal._left(other, tags) == f"it belongs to the project cola in {ONE}"


def test_a_function_of_an_earlier_mlspec_gets_the_address(tmp_path: Path) -> None:
    target = Target("aws", "eu-west-1", "http://127.0.0.1:9", "", ("testing", "testing"))
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
    assert address(tmp_path / below) == expected


def test_a_repository_of_an_earlier_mlspec_gets_the_address(target: Target, tmp_path: Path) -> None:
    carry_out(steps(wanted(target, tmp_path, "")), str)
    assert [(c.setting, c.new) for c in changes(steps(wanted(target, tmp_path, ONE)))] == [("mlspec:source", ONE)]
    carry_out(steps(wanted(target, tmp_path, ONE)), str)
    with pytest.raises(StageError, match="this one is in"):
        steps(wanted(target, tmp_path, OTHER))
