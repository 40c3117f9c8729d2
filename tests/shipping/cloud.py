"""An emulated AWS beside a real image registry, and a project that ships to them."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlspec.aws.action import Execution
from mlspec.aws.alias import Alias, AliasProvider
from mlspec.aws.aws_target import AwsTarget
from mlspec.compiler import compile_project
from mlspec.job import Job
from mlspec.parts.deploy import work as deploying
from mlspec.parts.registry import work as pushing
from mlspec.records.bundle_provenance import BundleProvenance
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.image_labels import labels
from mlspec.stage_context import StageContext
from tests.conftest import CHECKOUT
from tests.packaged import SIGNATURE, packaged_image
from tests.parts.targets import BASE, PACKAGE

Run = Callable[..., tuple[int, str, str]]
"""The program in a project's folder: exit code, stdout, stderr."""
REGISTRY = "127.0.0.1:5000"
_PREFIXES = {"api.ecr": "ecr", "monitoring": "cloudwatch"}
_S3_RIGHTS = {
    "HeadBucket": "ListBucket", "ListObjectVersions": "ListBucketVersions",
    "GetBucketEncryption": "GetEncryptionConfiguration", "PutBucketEncryption": "PutEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock", "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
}  # fmt: skip
"""Operations of S3 whose rights have other names
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html)."""
READS = ("Get", "List", "Describe", "Batch", "Head")


@dataclass
class Calls:
    """Every call that a target's clients make, as they are made."""

    recorded: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    @property
    def changing(self) -> list[str]:
        """Names of those that change something; what is written down in the history is told apart."""
        acts = [(s, o) for s, o, p in self.recorded if not str(p.get("logGroupName", "")).startswith("/mlspec/")]
        return [f"{s}:{o}" for s, o in acts if not o.startswith(READS) or o == "BatchDeleteImage"]

    def actions(self) -> set[str]:
        """The rights that the calls take."""
        created = {f"{_PREFIXES.get(s, s)}:{_S3_RIGHTS.get(o, o)}" for s, o, _ in self.recorded}
        return created - {"sts:GetCallerIdentity"}  # which nobody needs a right for

    def clear(self) -> None:
        self.recorded.clear()


def services_with_rights() -> tuple[str, ...]:
    """The services that the package calls, each with rights named after its operations; those of an HTTP API are
    methods of paths."""
    files = sorted((CHECKOUT / "mlspec" / "aws").glob("*.py"))
    names = {name for f in files for name in re.findall(r'\.client\("([\w-]+)"\)', f.read_text(encoding="utf-8"))}
    return tuple(sorted(names - {"apigatewayv2"}))


def watched(target: AwsTarget, services: tuple[str, ...] = services_with_rights()) -> Calls:
    """Listen to all calls of a target."""
    calls = Calls()

    def heard(params: dict[str, Any], model: Any, **_: Any) -> None:
        calls.recorded.append((model.service_model.endpoint_prefix, model.name, params))

    for service in services:
        target.client(service).meta.events.register("provide-client-params.*.*", heard)
    return calls


RUN = "https://mlflow.example.org/#/experiments/1/runs/5e1f"
"""The page of the run that trained the model of each image."""


@dataclass(frozen=True)
class BuiltImage:
    """An image of Docker: its id, and its bytes."""

    id: str
    size: int


@dataclass
class BuiltImages:
    """Images of one file, each built once; a tag of `prefix` keeps it until `remove`."""

    prefix: str
    known: dict[tuple[str, ...], BuiltImage] = field(default_factory=dict)

    def built(self, docker: str, content: str, labels: Mapping[str, str]) -> BuiltImage:
        """The image with that content and those labels."""
        key = (docker, content, *(f"--label={name}={value}" for name, value in labels.items()))
        if key not in self.known:
            tag = f"{self.prefix}:{len(self.known)}"
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "content").write_text(content)
                Path(folder, "Dockerfile").write_text("FROM scratch\nCOPY content /content\n")
                command = [docker, "build", "--quiet", "--tag", tag, *key[2:], folder]
                environment = {"DOCKER_BUILDKIT": "1", "PATH": "/usr/bin:/bin"}
                subprocess.run(command, check=True, capture_output=True, env=environment)
            inspected = subprocess.run([docker, "image", "inspect", tag], check=True, capture_output=True)
            details = json.loads(inspected.stdout)[0]
            self.known[key] = BuiltImage(details["Id"], details["Size"])
        return self.known[key]

    def remove(self) -> None:
        """Remove the tags, and the images that have no other."""
        for number, (docker, *_) in enumerate(self.known):
            subprocess.run([docker, "image", "rm", "--force", f"{self.prefix}:{number}"], capture_output=True)


@dataclass
class Shipped:
    """A project in a folder, with an image that was built for it."""

    root: Path
    target: AwsTarget
    docker: str
    images: BuiltImages
    context: StageContext = field(default_factory=StageContext)

    def files(self) -> tuple[Any, ...]:
        """The generated files."""
        return tuple(compile_project(self.root / "mlproject.yaml").files)

    def write_files(self) -> None:
        """Write the generated files, as `mlspec build` does."""
        for file in self.files():
            path = self.root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)

    def job(self) -> Job:
        project = compile_project(self.root / "mlproject.yaml").project
        return Job(self.root, self.artifacts, self.artifacts, project.values, project.sections, self.context)

    @property
    def tag(self) -> str:
        """What Docker calls its image."""
        return f"mlspec-test-{self.root.name.lower()}"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def release(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.artifacts / "release.json").read_text())
        return record

    def spec(self, old: str, new: str) -> None:
        path = self.root / "mlproject.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def image(self, content: str, signature: BundleSignature = SIGNATURE) -> None:
        """Build an image with that content, as the stage `image` leaves it."""
        digest = content.encode().hex().ljust(64, "0")
        result = labels(BundleProvenance(commit="a" * 40, bundle=digest, run=RUN), signature)
        built = self.images.built(self.docker, content, result)
        subprocess.run([self.docker, "tag", built.id, self.tag], check=True, capture_output=True)
        packaged_image(image=self.tag, id=built.id, size_bytes=built.size, labels=result).write(self.artifacts)

    def push(self) -> None:
        pushing.ship(self.job(), self.target)

    def deploy(self) -> None:
        deploying.ship(self.job(), self.target)


def move_alias(project: Shipped, desired: Alias) -> Alias:
    """Create or move the alias by hand; the alias as it is then."""
    provider = AliasProvider(project.target, project.root.name)
    current = provider.read(desired.name)
    execution = Execution({"alias": provider}, lambda line: None)
    execution.outputs["revision"] = desired.revision or (current.revision if current else "")
    execution.run(provider.diff(desired, current))
    moved = provider.read(desired.name)
    assert moved is not None
    return moved


def spec(name: str, function: str = "{}", more: str = "") -> str:
    registry = f"registry: {{ecr: {{repository: {name}, region: eu-west-1}}}}\n"
    return BASE.replace("name: cola", f"name: {name}") + PACKAGE + registry + f"deploy: {{lambda: {function}}}\n" + more


def registry_runs() -> bool:
    try:
        with urllib.request.urlopen(f"http://{REGISTRY}/v2/", timeout=60) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
