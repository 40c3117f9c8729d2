"""The resources of both stacks: cfn-lint, which knows AWS's schemas, finds nothing in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from mlspec.parts.cloudformation import service_resources as resources
from mlspec.parts.cloudformation.cloudformation_resource import GITHUB_REPOSITORY, CloudFormationResource
from mlspec.parts.cloudformation.foundation_resources import CREATE_PROVIDER
from mlspec.parts.cloudformation.stacks import foundation, service, stack_function
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from tests.parts.cloudformation import stack_specs
from tests.parts.targets import build

SPECS = {name: text.replace("IAC", "sam") for name, text in stack_specs.SPECS.items()}
PARAMETERS: JsonValue = {GITHUB_REPOSITORY: {"Type": "String"}, CREATE_PROVIDER: {"Type": "String", "Default": "true"}}
CONDITIONS: JsonValue = {CREATE_PROVIDER: {"Fn::Equals": [{"Ref": CREATE_PROVIDER}, "true"]}}


def stacks(folder: Path, text: str, digest: str = "sha256:" + "0" * 64) -> dict[str, list[CloudFormationResource]]:
    """The resources of both stacks of a spec, as they are without a tool that creates some of them itself."""
    project = build(folder, text).project
    spec = stack_function(project)
    assert spec is not None, "the spec deploys a function"
    zipped: JsonValue = {"S3Bucket": "artifacts", "S3Key": digest}
    code = zipped if project.need(Package).zip else {"ImageUri": resources.image_uri(spec, digest)}
    variables: dict[str, JsonValue] = {name: str(value) for name, value in spec.options.environment.items()}
    return {
        "foundation": list(foundation(project, spec, spec.name)),
        "service": list(service(spec, project.need(Deploy).rollout, code, variables)),
    }


def lint(resources: list[CloudFormationResource], parameters: JsonValue, conditions: JsonValue) -> list[str]:
    """What cfn-lint finds in a template of these resources."""
    from cfnlint import lint as check

    template = {"Parameters": parameters, "Conditions": conditions}
    template["Resources"] = {resource.id: resource.to_json() for resource in resources}
    used = {name: value for name, value in template.items() if value}
    return [str(match) for match in check(json.dumps(used), regions=["eu-west-1"])]


@pytest.mark.parametrize("name", SPECS)
def test_cfn_lint_finds_nothing(name: str, tmp_path: Path) -> None:
    both = stacks(tmp_path, SPECS[name])
    assert lint(both["service"], {}, {}) == []
    github = any(resource.condition for resource in both["foundation"])
    first = lint(both["foundation"], PARAMETERS if github else {}, CONDITIONS if github else {})
    assert first == [] if both["foundation"] else name == "zip"


def test_a_version_is_published_for_each_change_that_clients_notice(tmp_path: Path) -> None:
    def version(text: str, digest: str) -> str:
        [results] = [r.id for r in stacks(tmp_path, text, digest)["service"] if r.type == "AWS::Lambda::Version"]
        return results

    spec, one, other = SPECS["image"], "sha256:" + "1" * 64, "sha256:" + "2" * 64
    memory = spec.replace("lambda: {", "lambda: {memory: 2048, ")
    assert version(spec, one) == version(spec, one)
    assert len({version(spec, one), version(spec, other), version(memory, one)}) == 3


def test_what_holds_data_stays_when_its_stack_is_deleted(tmp_path: Path) -> None:
    both = stacks(tmp_path, SPECS["everything"])
    kept = [resource.id for stack in both.values() for resource in stack if resource.keep]
    assert [id for id in kept if not id.startswith("FunctionVersion")] == [
        "Repository",
        "GithubOidcProvider",
        "Bucket",
        "BucketPolicy",
        "LogGroup",
        "ReleaseLogGroup",
    ]
