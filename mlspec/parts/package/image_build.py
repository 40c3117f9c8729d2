"""The stage `image`: build the serving image, prove that it starts and answers, and only then give it its name."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from mlspec.docker import docker_engine
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.package import base_image, image_tags, lambda_emulator, lambda_zip, package_limits
from mlspec.parts.package.image_check import prove
from mlspec.parts.package.part import image_name
from mlspec.records import image_labels
from mlspec.records.bundle_provenance import read_provenance
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.git_commit import read_commit
from mlspec.records.packaged import ImageProof, PackagedImage
from mlspec.sections.deploy import Deploy, Lambda
from mlspec.sections.package import DockerImage, Package
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import size_bytes


def main(job: Job) -> None:
    """Check the image or the zip and write `artifacts/image.json`. An image gets the project's name when it passed."""
    package, deploy = job.need(Package), job.get(Deploy)
    function = deploy.lambda_ if deploy else None
    if package.zip is not None:
        lambda_zip.check(job, package.zip, function).write(job.outputs)
        return
    _image(job, package.docker, function).write(job.outputs)


def _image(job: Job, options: DockerImage, function: Lambda | None) -> PackagedImage:
    docker, name = docker_engine.client(), image_name(job.need(ProjectInfo).name)
    image, base, labels = build(docker, job, options)
    key = _check_key(options, function)
    proof = _earlier_proof(job.outputs, image, key)
    if proof is None:
        proof = prove(docker, image, job.inputs / "bundle", options, function).model_copy(update={"asked": key})
        sys.stdout.write(summary(proof) + "\n")
    else:
        sys.stdout.write("image unchanged: it passed these checks in an earlier run\n")
    image_tags.give(docker, image, name, job.root)
    details = docker.inspect(image)
    sys.stdout.write(f"{name}: {details['Size'] / 1e6:.0f} MB, {image}\n")
    return PackagedImage(
        image=name,
        id=image,
        base=base,
        platform=options.platform,
        size_bytes=details["Size"],
        max_size_bytes=size_bytes(options.max_size),
        layers=details["RootFS"]["Layers"],
        labels=labels,
        proof=proof,
    )


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
    provenance = read_provenance(job.root, job.inputs, commit)
    made = image_labels.labels(provenance, BundleSignature.read(job.inputs), commit) | _base_labels(stood)
    arguments = {"MODEL_VERSION": (provenance.bundle or "1")[:12]}
    if docker.buildx and commit is not None:
        arguments["SOURCE_DATE_EPOCH"] = str(commit.time)
    return docker_engine.build(docker, job.root, text, wanted.platform, made, arguments, cache=cache), stood, made


def _base_labels(stood: str) -> dict[str, str]:
    name, _, digest = stood.partition("@")
    key = "org.opencontainers.image.base."
    return {key + "name": name} | ({key + "digest": digest} if digest else {})


def _check_key(options: DockerImage, function: Lambda | None) -> str:
    """One digest of all that the checks depend on beside the image."""
    values = {
        "docker": options.model_dump(mode="json"),
        "lambda": function.model_dump(mode="json", include={"memory", "timeout", "environment"}) if function else None,
        "emulator": lambda_emulator.find() is not None,
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _earlier_proof(artifacts: Path, image: str, key: str) -> ImageProof | None:
    """The proof of the same image with the same options, from an earlier run."""
    earlier = PackagedImage.find(artifacts)
    same = earlier is not None and earlier.id == image and earlier.proof.asked == key
    return earlier.proof if earlier is not None and same and earlier.proof.examples else None


def summary(proof: ImageProof) -> str:
    """The checks that an image passed, in a line."""
    http, locked = proof.http, proof.locked
    way = "in Lambda's emulator" if locked.emulator else "with a read-only root"
    limit = f" of {locked.memory_mb} MB" if locked.memory_mb else ""
    memory = f", {locked.peak / 2**20:.0f} MB{limit} of memory" if locked.peak else ""
    first = f"image verified without a network: predictions equal the bundle's over HTTP (first after {http.seconds} s)"
    return f"{first} and {way} (first after {locked.seconds} s{memory})"
