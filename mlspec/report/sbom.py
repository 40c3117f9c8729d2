"""The bill of materials of a served model in CycloneDX 1.6: model, data, packages, base image, each with its digest.

Equal inputs give equal bytes: the serial number is a digest of the content, and it does not have a time
(https://cyclonedx.org/docs/1.6/json).
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import JsonValue

import mlspec
from mlspec.errors import StageError
from mlspec.records.bundle_provenance import bundle_digest, bundle_version
from mlspec.records.evaluation import Evaluation
from mlspec.records.lineage import Lineage
from mlspec.records.packaged import PackagedImage
from mlspec.records.record_file import compact_json
from mlspec.records.schema import Schema
from mlspec.report.model_limits import limits
from mlspec.sections.model import ModelSpec
from mlspec.sections.package import Package
from mlspec.source import hash_lock
from mlspec.source.dockerfile_lock import DIGEST
from mlspec.spec.project import Project

Json = dict[str, JsonValue]
_NAMESPACE: Final = uuid.UUID("5f0cf6ce-3d5b-5c0a-9b0e-6d6c73706563")
_COMMON_LICENSES: Final = (
    "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-SA-4.0",
    "CC0-1.0", "GPL-3.0-only", "GPL-3.0-or-later", "ISC", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MPL-2.0",
    "Unlicense",
)  # fmt: skip
"""Identifiers of SPDX (https://spdx.org/licenses)."""
_SERVED: Final = "requirements-serve.txt"
_TRAINED: Final = "requirements-train.lock"
_NOT_PACKAGES: Final = ("python", "mlspec")


@dataclass(frozen=True)
class Materials:
    """What a bill of materials is made of. `served` and `trained` are releases with their digests."""

    project: Project
    version: str
    lineage: Lineage
    schema: Schema
    evaluation: Evaluation | None
    base: str
    """The base image as it was built on, with a digest if it has one; empty without an image."""
    served: Mapping[str, Sequence[str]]
    trained: Mapping[str, Sequence[str]]


def read_materials(project: Project, root: Path) -> Materials:
    """Read the bundle and the locks of the project in `root`. Raises StageError without a bundle."""
    artifacts = root / "artifacts"
    if Lineage.find(artifacts) is None:
        raise StageError("the project has no exported model to describe", help="mlspec apply --until export")
    lineage, locked = Lineage.read(artifacts), _requirements(root / _TRAINED)
    used = {f"{n}=={r}": () for n, r in lineage.packages.items() if n not in _NOT_PACKAGES and r}
    trained = {release: locked.get(release, ()) for release in used} | locked
    package, image = project.get(Package), PackagedImage.find(artifacts)
    served = _requirements(root / _SERVED) if package is not None else {}
    return Materials(
        project=project,
        version=bundle_version(bundle_digest(artifacts / "bundle")),
        lineage=lineage,
        schema=Schema.read(artifacts),
        evaluation=Evaluation.find(artifacts),
        base=image.base if image is not None and package is not None else "",
        served=served,
        trained={release: digests for release, digests in sorted(trained.items()) if release not in served},
    )


def _requirements(file: Path) -> dict[str, tuple[str, ...]]:
    return hash_lock.requirements(file.read_text(encoding="utf-8")) if file.is_file() else {}


def sbom(materials: Materials) -> str:
    """The document as JSON text."""
    info = materials.project.info
    application: Json = {
        "type": "application",
        "bom-ref": "application",
        "name": info.name,
        "version": materials.version,
        **({"description": info.description} if info.description else {}),
        **_licenses(info.license),
    }
    components = list(_components(materials))
    references: list[JsonValue] = [c["bom-ref"] for c in components if c.get("scope") != "excluded"]
    parts: Json = {
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "mlspec", "version": mlspec.__version__}]},
            "component": application,
        },
        "components": list(components),
        "dependencies": [{"ref": "application", "dependsOn": references}],
    }
    serial = uuid.uuid5(_NAMESPACE, compact_json(parts))
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **parts,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _components(materials: Materials) -> Iterator[Json]:
    yield _model(materials)
    for name, digest in sorted(materials.lineage.data.items()):
        yield {
            "type": "data",
            "bom-ref": f"data:{name}",
            "name": name,
            "hashes": _hashes([digest]),
            "data": [{"type": "dataset" if name.endswith(".parquet") else "definition", "name": name}],
        }
    for image, digest in sorted(_bases(materials).items()):
        yield _base_image(image, digest)
    for release, digests in sorted(materials.served.items()):
        yield _package(release, digests)
    for release, digests in materials.trained.items():
        yield {**_package(release, digests), "scope": "excluded"}


def _bases(materials: Materials) -> Mapping[str, str]:
    """The base image with its digest: that on which the image was built, else that of Dockerfile.lock."""
    name, _, digest = materials.base.partition("@")
    pin = materials.project.surroundings.bases.get(name)
    if not re.fullmatch(DIGEST, digest):
        digest = pin.digest if pin is not None else ""
    return {name: digest} if name else {}


def _model(materials: Materials) -> Json:
    info = materials.project.info
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": info.name,
        "version": materials.version,
        **_licenses(info.license),
        "hashes": _hashes([materials.lineage.files["model.onnx"]]) if "model.onnx" in materials.lineage.files else [],
        "modelCard": _card(materials),
    }


def _card(materials: Materials) -> Json:
    schema, model = materials.schema, materials.project.get(ModelSpec)
    inputs: list[JsonValue] = [{"format": f"{name}: {given.type}"} for name, given in schema.inputs.items()]
    what = f"one of {len(schema.labels)} labels" if schema.labels else "a number"
    card: Json = {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": schema.task,
            "modelArchitecture": model.type if model is not None else "custom",
            "datasets": [
                {"ref": f"data:{name}"} for name in sorted(materials.lineage.data) if name.endswith(".parquet")
            ],
            "inputs": inputs,
            "outputs": [{"format": f"{schema.target.column}: {what}"}],
        },
        "considerations": {"technicalLimitations": [*limits(schema, materials.evaluation)]},
    }
    if materials.evaluation is not None:
        card["quantitativeAnalysis"] = {"performanceMetrics": list(_metrics(materials.evaluation))}
    return card


def _metrics(evaluation: Evaluation) -> Iterator[Json]:
    for name, value in evaluation.metrics.items():
        if value is not None:
            yield {"type": name, "value": f"{value:.6g}", "slice": evaluation.split}
    for part, scores in evaluation.slices.items():
        for name, value in scores.metrics.items():
            if value is not None:
                yield {"type": name, "value": f"{value:.6g}", "slice": f"{evaluation.split}, {part}"}


def _package(release: str, digests: Sequence[str]) -> Json:
    name, _, version = release.partition("==")
    purl = f"pkg:pypi/{quote(name)}@{quote(version)}"
    hashes = {"hashes": _hashes(digests)} if digests else {}
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, **hashes}


def _base_image(image: str, digest: str) -> Json:
    name, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
    purl = f"pkg:docker/{quote(name, safe='/')}@{quote(digest or tag)}"
    hashes = {"hashes": _hashes([digest.removeprefix("sha256:")])} if digest else {}
    return {"type": "container", "bom-ref": purl, "name": name, "version": tag, "purl": purl, **hashes}


def _hashes(digests: Sequence[str]) -> list[JsonValue]:
    return [{"alg": "SHA-256", "content": digest} for digest in digests]


def _licenses(text: str) -> Json:
    """A licence by its SPDX identifier where it is a common one, else by its name."""
    if not text:
        return {}
    return {"licenses": [{"license": {"id" if text in _COMMON_LICENSES else "name": text}}]}
