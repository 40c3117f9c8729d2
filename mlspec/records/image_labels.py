"""Provenance and signature of a bundle to the labels of an image, and back: what every machine can read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from mlspec.records.bundle_provenance import BundleProvenance
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.git_commit import Commit
from mlspec.records.record_file import compact_json

PROVENANCE_LABEL: Final = "io.mlspec.release"
SIGNATURE_LABEL: Final = "io.mlspec.signature"
_OCI: Final = "org.opencontainers.image."
_MAX_BYTES: Final = 64_000
"""Bytes of one label: it is an argument of `docker build`, and Linux limits an argument to 128 KiB."""


def labels(provenance: BundleProvenance, signature: BundleSignature, commit: Commit | None = None) -> dict[str, str]:
    """The labels that follow from the bundle (github.com/opencontainers/image-spec, annotations.md)."""
    values = {
        PROVENANCE_LABEL: compact_json(provenance.to_json()),
        SIGNATURE_LABEL: compact_json(signature.to_json()),
    }
    if provenance.bundle:
        values[_OCI + "version"] = provenance.version
    if provenance.commit:
        values[_OCI + "revision"] = provenance.commit
    if commit is not None:
        values[_OCI + "created"] = datetime.fromtimestamp(commit.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if commit.source:
            values[_OCI + "source"] = commit.source
    return {name: text for name, text in values.items() if len(text.encode()) <= _MAX_BYTES}


def from_labels(labels: Mapping[str, str] | None) -> tuple[BundleProvenance | None, BundleSignature | None]:
    """Provenance and signature in an image's labels; None for what is missing or was not written by mlspec."""
    texts = labels or {}
    return (
        BundleProvenance.parse_json(texts.get(PROVENANCE_LABEL, "")),
        BundleSignature.parse_json(texts.get(SIGNATURE_LABEL, "")),
    )
