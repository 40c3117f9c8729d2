"""The stage `image`: build the serving image, prove that it starts and answers, and only then give it its name."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspec.docker import docker_engine
from mlspec.errors import StageError
from mlspec.job import Job, write_json
from mlspec.parts.package import base_image, image_tags, lambda_emulator, lambda_zip, package_limits
from mlspec.parts.package.image_check import prove
from mlspec.parts.package.part import image_name
from mlspec.records.release import labels, read_commit, release_record
from mlspec.sections.deploy import Deploy, Lambda
from mlspec.sections.package import DockerImage, Package
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import size_bytes

_RECORD = "image.json"


def main(job: Job) -> None:
    """Leave the image in Docker under the project's name, and what was found of it in `artifacts/image.json`."""
    package, deploy = job.need(Package), job.get(Deploy)
    function = deploy.lambda_ if deploy else None
    if package.zip is not None:
        write_json(job.outputs / _RECORD, lambda_zip.record(job, package.zip, function))
        return
    write_json(job.outputs / _RECORD, _image(job, package.docker, function))


def _image(job: Job, wanted: DockerImage, function: Lambda | None) -> dict[str, Any]:
    docker, tag = docker_engine.client(), image_name(job.need(ProjectInfo).name)
    image, stood, made = build(docker, job, wanted)
    asked = _asked(wanted, function)
    before = _proved(job.outputs / _RECORD, image, asked)
    if before is None:
        proof = prove(docker, image, job.inputs / "bundle", wanted, function)
        sys.stdout.write(told(proof) + "\n")
    else:
        proof = before
        sys.stdout.write("the same image was proved before\n")
    image_tags.give(docker, image, tag, job.root)
    found = docker.inspect(image)
    sys.stdout.write(f"{tag}: {found['Size'] / 1e6:.0f} MB, {image}\n")
    return {
        "kind": "image",
        "image": tag,
        "id": image,
        "base": stood,
        "platform": wanted.platform,
        "size_bytes": found["Size"],
        "max_size_bytes": size_bytes(wanted.max_size),
        "layers": found["RootFS"]["Layers"],
        "labels": made,
        "proof": {**proof, "asked": asked},
    }


def build(
    docker: docker_engine.Client, job: Job, wanted: DockerImage, *, cache: bool = True
) -> tuple[str, str, dict[str, str]]:
    """The image's id, the base that it stands on, and the labels that it got beside those of the Dockerfile."""
    file = job.root / "Dockerfile"
    if not file.is_file():
        raise StageError("there is no Dockerfile here", help="mlspec build    writes it")
    name = (wanted.base or package_limits.default_base(wanted)).partition("@")[0]
    if "@" in wanted.base:
        text, stood = file.read_text(encoding="utf-8"), wanted.base
    else:
        text, stood = base_image.pin(docker, job.root, file.read_text(encoding="utf-8"), name, wanted.platform)
    if "@" not in stood:
        sys.stdout.write(f"{stood} was made on this machine and lies in no registry: it cannot be held to a digest\n")
    commit = read_commit(job.root)
    release = release_record(job.root, job.inputs, commit)
    signature = json.loads((job.inputs / "bundle" / "signature.json").read_text(encoding="utf-8"))
    made = labels(release, signature, commit) | _base_labels(stood)
    arguments = {"MODEL_VERSION": (release.bundle or "1")[:12]}
    if docker.buildx and commit is not None:
        arguments["SOURCE_DATE_EPOCH"] = str(commit.time)
    return docker_engine.build(docker, job.root, text, wanted.platform, made, arguments, cache=cache), stood, made


def _base_labels(stood: str) -> dict[str, str]:
    name, _, digest = stood.partition("@")
    key = "org.opencontainers.image.base."
    return {key + "name": name} | ({key + "digest": digest} if digest else {})


def _asked(wanted: DockerImage, function: Lambda | None) -> str:
    """One digest of all that the proof depends on beside the image."""
    values: Mapping[str, Any] = {
        "docker": wanted.model_dump(mode="json"),
        "lambda": function.model_dump(mode="json", include={"memory", "timeout", "environment"}) if function else None,
        "emulator": lambda_emulator.find() is not None,
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _proved(record: Path, image: str, asked: str) -> dict[str, Any] | None:
    """The proof of the same image under the same demands, if the last run got that far."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        same = found["id"] == image and found["proof"]["asked"] == asked and found["proof"]["examples"]
        return {name: value for name, value in found["proof"].items() if name != "asked"} if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def told(proof: Mapping[str, Any]) -> str:
    """What was proved, in a line."""
    http, locked = proof["http"], proof["locked"]
    way = "in Lambda's emulator" if locked.get("emulator") else "with a read-only root"
    bound = f" of {locked['memory_mb']} MB" if locked["memory_mb"] else ""
    took = f", took {locked['peak'] / 2**20:.0f} MB{bound}" if locked["peak"] else ""
    first = f"proved with no network: answers as the bundle does over HTTP ({http['seconds']} s from its start)"
    return f"{first} and {way} ({locked['seconds']} s{took})"
