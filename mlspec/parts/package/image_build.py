"""The stage `image`: build the serving image, check that it starts and predicts correctly, and only then name it."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from mlspec.docker import buildkit
from mlspec.docker.client import Docker, with_buildkit
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
from mlspec.shipping import bundle_signing
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import size_bytes


def main(job: Job) -> None:
    """Check the image or the zip and write `artifacts/image.json`. An image gets the project's name when it passed."""
    bundle_signing.verify(job)
    package, deploy = job.need(Package), job.get(Deploy)
    function = deploy.lambda_ if deploy else None
    if package.zip is not None:
        lambda_zip.check(job, package.zip, function).write(job.outputs)
        return
    _image(job, package.docker, function).write(job.outputs)


def _image(job: Job, options: DockerImage, function: Lambda | None) -> PackagedImage:
    docker, name = with_buildkit(), image_name(job.need(ProjectInfo).name)
    image, base, labels = build(docker, job, options)
    key = _check_key(options, function)
    proof = _earlier_proof(job.outputs, image, key)
    if proof is None:
        proof = prove(docker, image, job.inputs / "bundle", options, function).model_copy(update={"options": key})
        sys.stdout.write(summary(proof) + "\n")
    else:
        sys.stdout.write("image unchanged: it passed these checks in an earlier run\n")
    image_tags.set_tags(docker, image, name, job.root)
    details = docker.inspect(image)
    sys.stdout.write(f"{name}: {details.size / 1e6:.0f} MB, {image}\n")
    return PackagedImage(
        image=name,
        id=image,
        base=base,
        platform=options.platform,
        size_bytes=details.size,
        max_size_bytes=size_bytes(options.max_size),
        layers=details.layers,
        labels=labels,
        proof=proof,
    )


def build(docker: Docker, job: Job, options: DockerImage, *, cache: bool = True) -> tuple[str, str, dict[str, str]]:
    """Build the image: its id, the base image, and the labels that it has beside those of the Dockerfile."""
    dockerfile, base = _pinned(docker, job.root, options)
    commit = read_commit(job.root)
    provenance = read_provenance(job.root, job.inputs, commit)
    labels = image_labels.labels(provenance, BundleSignature.read(job.inputs), commit) | _base_labels(base)
    arguments = {"MODEL_VERSION": provenance.version}
    if docker.buildx and commit is not None:
        arguments["SOURCE_DATE_EPOCH"] = str(commit.time)
    image = buildkit.build(docker, job.root, dockerfile, options.platform, labels, arguments, cache=cache)
    return image, base, labels


def _pinned(docker: Docker, root: Path, options: DockerImage) -> tuple[str, str]:
    """The text of the Dockerfile and the base image in it, by digest where a registry has one."""
    file = root / "Dockerfile"
    if not file.is_file():
        raise StageError("the project has no Dockerfile", help="mlspec build")
    text, base = file.read_text(encoding="utf-8"), options.base or package_limits.default_base(options)
    if "@" in base:
        return text, base
    text, base = base_image.pin(docker, root, text, base, options.platform)
    if "@" not in base:
        sys.stdout.write(f"{base} was built on this machine and is in no registry: it cannot be pinned to a digest\n")
    return text, base


def _base_labels(base: str) -> dict[str, str]:
    name, _, digest = base.partition("@")
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
    same = earlier is not None and earlier.id == image and earlier.proof.options == key
    return earlier.proof if earlier is not None and same and earlier.proof.examples else None


def summary(proof: ImageProof) -> str:
    """The checks that an image passed, in a line."""
    http, locked = proof.http, proof.locked
    way = "in Lambda's emulator" if locked.emulator else "with a read-only root"
    limit = f" of {locked.memory_mb} MB" if locked.memory_mb else ""
    memory = f", {locked.peak / 2**20:.0f} MB{limit} of memory" if locked.peak else ""
    first = f"image verified without a network: predictions equal the bundle's over HTTP (first after {http.seconds} s)"
    return f"{first} and {way} (first after {locked.seconds} s{memory})"
