"""Everything that led to a version: from the history, and where that does not know it, from the labels of its image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlspec.aws.change import RemoteChange, Sign
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.published_version import versions
from mlspec.errors import StageError
from mlspec.records.image_labels import from_labels
from mlspec.shipping import deployment, image_push
from mlspec.shipping.versions import VersionState


def origin(asked: DesiredFunction, release: VersionState) -> dict[str, Any]:
    """`commit spec bundle data config metrics run image function`; what cannot be known is None.

    The image is its digest; `function` has the settings that the version was published with, as the account has them.
    """
    found = dict(release.release)
    image = found.get("image") or deployment.digest(asked, release.version) or None
    if not found.get("bundle") and image is not None:
        found = _labelled(asked, image) | found
    names = ("commit", "spec", "bundle", "data", "config", "metrics", "run")
    published = versions(asked.target, asked.function.name).get(release.version) or {}
    return {name: found.get(name) for name in names} | {"image": image, "function": _function(published) or None}


def differences(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[RemoteChange]:
    """What led to one version and not to the other, by the dotted names of what `origin` gives. Pure."""
    one, other = _flat(new), _flat(old)
    found = []
    for name in dict.fromkeys([*one, *other]):
        before, after = other.get(name), one.get(name)
        if before != after:
            sign: Sign = "+" if before is None else "-" if after is None else "~"
            found.append(RemoteChange(sign, name, old=before, new=after))
    return found


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{name}.")
        elif value not in (None, "", []):
            found[f"{above}{name}"] = value
    return found


def _function(config: Mapping[str, Any]) -> dict[str, Any]:
    """Of a version's configuration what decides how it answers. Of variables only the names: values may be secret."""
    known = {
        "memory": config.get("MemorySize"),
        "timeout": config.get("Timeout"),
        "ephemeral_storage": (config.get("EphemeralStorage") or {}).get("Size"),
        "architecture": ", ".join(config.get("Architectures") or ()),
        "runtime": config.get("Runtime"),
        "role": config.get("Role"),
        "environment": sorted((config.get("Environment") or {}).get("Variables") or ()),
        "subnets": sorted((config.get("VpcConfig") or {}).get("SubnetIds") or ()),
    }
    return {name: value for name, value in known.items() if value}


def _labelled(asked: DesiredFunction, digest: str) -> dict[str, Any]:
    ecr = asked.function.ecr
    try:
        labels = image_push.registry_of(asked.target, ecr).labels(ecr.repository, digest)
    except StageError:
        return {}
    provenance, _ = from_labels(labels)
    return provenance.to_json() if provenance else {}
