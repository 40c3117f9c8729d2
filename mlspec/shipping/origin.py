"""Everything that led to a version: from the history, and where that does not know it, from the labels of its image."""

from __future__ import annotations

from typing import Any

from mlspec.errors import StageError
from mlspec.shipping import deployment, pushing
from mlspec.shipping.ledger import Released
from mlspec.shipping.record import from_labels
from mlspec.shipping.wanted import Wanted


def origin(asked: Wanted, release: Released) -> dict[str, Any]:
    """`commit spec bundle data config metrics run image`; what cannot be known is None. The image is its digest."""
    found = dict(release.release)
    image = found.get("image") or deployment.digest(asked, release.version) or None
    if not found.get("bundle") and image is not None:
        found = _labelled(asked, image) | found
    names = ("commit", "spec", "bundle", "data", "config", "metrics", "run")
    return {name: found.get(name) for name in names} | {"image": image}


def _labelled(asked: Wanted, digest: str) -> dict[str, Any]:
    ecr = asked.function.ecr
    try:
        labels = pushing.registry_of(asked.target, ecr).labels(ecr.repository, digest)
    except StageError:
        return {}
    record, _ = from_labels(labels)
    return record.as_json() if record else {}
