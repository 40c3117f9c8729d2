"""A project that ships a zip: no registry, no Docker."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

from mlspec.aws.aws_target import AwsTarget
from mlspec.records.bundle_provenance import BundleProvenance
from mlspec.records.image_labels import labels
from tests.packaged import SIGNATURE, packaged_zip
from tests.parts.targets import BASE, EXPORT
from tests.shipping.cloud import BuiltImages, Shipped

SPEC = BASE + EXPORT + "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1, memory: 512, url: true}}\n"
BUCKET = SPEC.replace("{zip: {}}", "{zip: {bucket: my-zips}}")


def zip_project(target: AwsTarget, folder: Path, spec: str = SPEC) -> Shipped:
    """The project, without a zip."""
    (folder / "mlproject.yaml").write_text(spec)
    return Shipped(folder, target, "no docker", BuiltImages("none"))


def zipped(project: Shipped, content: str, **changes: object) -> None:
    """A zip as the stage `image` leaves it."""
    project.artifacts.mkdir(exist_ok=True)
    path = project.artifacts / "function.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("handler.py", content)
    digest = hashlib.sha256(path.read_bytes())
    known = {
        "sha256": digest.hexdigest(),
        "code_sha256": base64.b64encode(digest.digest()).decode(),
        "size_bytes": path.stat().st_size,
        "labels": labels(BundleProvenance(commit="b" * 40), SIGNATURE),
    }
    packaged_zip(**{**known, **changes}).write(project.artifacts)
