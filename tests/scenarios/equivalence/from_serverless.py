"""The resources of the services of the Serverless Framework, as osls packages them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from tests.parts.serverless.packages import package
from tests.scenarios.equivalence.canonical import ACCOUNT, ARCHIVE, ARCHIVE_FILE, DIGEST, CanonicalResource
from tests.scenarios.equivalence.from_cloudformation import REGION, from_template

Files = Mapping[str, str]
_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/cola@{DIGEST}"
PARAMETERS = {"GithubRepository": "octo-org/cola", "CreateOidcProvider": "true"}
_SERVICES = ("foundation", "service")


class Package(NamedTuple):
    """A packaged service: its template as CloudFormation gets it, and the zips that it refers to, by their keys."""

    template: dict[str, JsonValue]
    uploaded: Mapping[str, bytes]

    def canonical(self) -> list[CanonicalResource]:
        """Its resources."""
        return from_template(self.template, PARAMETERS, self.uploaded)


def from_packages(packages: Sequence[Package]) -> list[CanonicalResource]:
    """The resources of both services of a project."""
    return [resource for package in packages for resource in package.canonical()]


def packaged(projects: Mapping[str, Files], folder: Path) -> dict[str, list[Package]]:
    """Both services of each project. Two programs run at a time."""
    for name, created in projects.items():
        for path, text in created.items():
            file = folder / name / "serverless" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        archive = folder / name / ARCHIVE_FILE
        archive.parent.mkdir()
        archive.write_bytes(ARCHIVE)
    each = [(name, service) for name in projects for service in _SERVICES]
    with ThreadPoolExecutor(2) as pool:
        packages = list(pool.map(lambda one: _packaged(folder / one[0], one[1]), each))
    return {name: [one for (of, _), one in zip(each, packages, strict=True) if one and of == name] for name in projects}


def _packaged(folder: Path, service: str) -> Package | None:
    at = folder / "serverless" / service
    if not at.is_dir():
        return None
    template = package(folder, service, {"image": _IMAGE, "github_repository": "octo-org/cola"})
    state = json.loads((at / ".serverless" / "serverless-state.json").read_text())
    tags = [{"Key": key, "Value": value} for key, value in state["service"]["provider"].get("stackTags", {}).items()]
    artifact = re.search(r"(?m)^  artifact: (\S+)$", (at / "serverless.yml").read_text())
    directory = state["package"]["artifactDirectoryName"]
    uploaded = {f"{directory}/{Path(artifact[1]).name}": (at / artifact[1]).read_bytes()} if artifact else {}
    return Package(_deployed(template, service, tags), uploaded)


def _deployed(template: dict[str, JsonValue], service: str, tags: JsonValue) -> dict[str, JsonValue]:
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
