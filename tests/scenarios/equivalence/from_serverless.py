"""The resources of the services of the Serverless Framework, as osls packages them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import JsonValue

from tests.parts.serverless.packages import package
from tests.scenarios.equivalence.canonical import ACCOUNT, DIGEST, CanonicalResource
from tests.scenarios.equivalence.from_cloudformation import REGION, from_template

Files = Mapping[str, str]
_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/cola@{DIGEST}"
_PARAMETERS = {"GithubRepository": "octo-org/cola", "CreateOidcProvider": "true"}
_SERVICES = ("foundation", "service")


def packaged(projects: Mapping[str, Files], folder: Path) -> dict[str, list[CanonicalResource]]:
    """The resources of both services of each project. Two programs run at a time."""
    for name, created in projects.items():
        for path, text in created.items():
            file = folder / name / "serverless" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    each = [(name, service) for name in projects for service in _SERVICES]
    with ThreadPoolExecutor(2) as pool:
        resources = list(pool.map(lambda one: _packaged(folder / one[0], one[1]), each))
    return {
        name: [r for (of, _), own in zip(each, resources, strict=True) if of == name for r in own] for name in projects
    }


def _packaged(folder: Path, service: str) -> list[CanonicalResource]:
    if not (folder / "serverless" / service).is_dir():
        return []
    template = package(folder, service, {"image": _IMAGE, "github_repository": "octo-org/cola"})
    state = json.loads((folder / "serverless" / service / ".serverless" / "serverless-state.json").read_text())
    tags = [{"Key": key, "Value": value} for key, value in state["service"]["provider"].get("stackTags", {}).items()]
    return from_template(_deployed(template, service, tags), _PARAMETERS)


def _deployed(template: dict[str, JsonValue], service: str, tags: JsonValue) -> JsonValue:
    """What CloudFormation adds: a stack's tags to what has none of its own, and its name to that of a bucket."""
    resources = template["Resources"]
    assert isinstance(resources, dict)
    for body in resources.values():
        assert isinstance(body, dict)
        properties = body.setdefault("Properties", {})
        assert isinstance(properties, dict)
        if body["Type"] == "AWS::S3::Bucket":
            properties.setdefault("BucketName", f"cola-{service}-bucket")
        if body["Type"] == "AWS::Logs::LogGroup":
            properties.setdefault("Tags", tags)
    return template
