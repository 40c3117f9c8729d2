"""Everything that led to a version: from the history, and where that does not know it, from the labels of its image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlspec.aws.action import Sign, changed
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.function_resource import Function
from mlspec.aws.published_version import VersionProvider
from mlspec.errors import StageError
from mlspec.records.image_labels import from_labels
from mlspec.shipping import image_push
from mlspec.shipping.deployment import Deployment
from mlspec.shipping.versions import VersionState


@dataclass(frozen=True, slots=True)
class Difference:
    """What led to one version and not to another: `name` is dotted, `config.train.max_epochs`."""

    sign: Sign
    name: str
    old: object
    new: object

    def line(self) -> str:
        """`~ config.train.max_epochs: 3 -> 4`."""
        return changed(self.sign, self.name, self.old, self.new)


def origin(desired: DesiredFunction, release: VersionState) -> dict[str, Any]:
    """`commit spec bundle data config metrics run image function`; what cannot be known is None.

    The image is its digest; `function` has the settings that the version was published with, as the account has them.
    """
    values = dict(release.release)
    image = values.get("image") or Deployment(desired).digest(release.version) or None
    if not values.get("bundle") and image is not None:
        values = _labelled(desired, image) | values
    names = ("commit", "spec", "bundle", "data", "config", "metrics", "run")
    published = VersionProvider(desired.target).read(desired.name).get(release.version)
    return {name: values.get(name) for name in names} | {
        "image": image,
        "function": _function(published.function) if published else None,
    }


def differences(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[Difference]:
    """What led to one version and not to the other, by the dotted names of what `origin` gives. Pure."""
    one, other = _flat(new), _flat(old)
    compared = []
    for name in dict.fromkeys([*one, *other]):
        before, after = other.get(name), one.get(name)
        if before != after:
            sign: Sign = "+" if before is None else "-" if after is None else "~"
            compared.append(Difference(sign, name, before, after))
    return compared


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{name}.")
        elif value not in (None, "", []):
            flat[f"{above}{name}"] = value
    return flat


def _function(function: Function) -> dict[str, Any]:
    """The settings that decide how a version answers. Of variables only the names: values may be secret."""
    known = {
        "memory": function.memory,
        "timeout": function.timeout,
        "ephemeral_storage": function.ephemeral_storage,
        "architecture": function.architecture,
        "runtime": function.runtime,
        "role": function.role,
        "environment": sorted(function.variables),
        "subnets": sorted(function.vpc.subnets if function.vpc else ()),
    }
    return {name: value for name, value in known.items() if value}


def _labelled(desired: DesiredFunction, digest: str) -> dict[str, Any]:
    try:
        labels = image_push.registry_of(desired.target, desired.spec.location).labels(desired.spec.repository, digest)
    except StageError:
        return {}
    provenance, _ = from_labels(labels)
    return provenance.to_json() if provenance else {}
