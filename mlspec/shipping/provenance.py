"""Everything that led to a version: from the history, and where that does not know it, from the labels of its image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from pydantic import JsonValue

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
    old: JsonValue
    new: JsonValue

    def line(self) -> str:
        """`~ config.train.max_epochs: 3 -> 4`."""
        return changed(self.sign, self.name, self.old, self.new)


@dataclass(frozen=True, slots=True)
class VersionProvenance:
    """Everything that led to a version; what cannot be known is None."""

    commit: JsonValue = None
    spec: JsonValue = None
    bundle: JsonValue = None
    data: JsonValue = None
    config: JsonValue = None
    metrics: JsonValue = None
    run: JsonValue = None
    image: JsonValue = None
    """The digest of the image."""
    function: Mapping[str, JsonValue] | None = None
    """The settings that the version was published with, as the account has them."""

    def to_json(self) -> dict[str, JsonValue]:
        """The stable JSON shape."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"function": None if self.function is None else dict(self.function)}


_RECORDED: Final = ("commit", "spec", "bundle", "data", "config", "metrics", "run")


def version_provenance(desired: DesiredFunction, release: VersionState) -> VersionProvenance:
    """What led to the version: from the history, and what that lacks from the labels of its image."""
    values = dict(release.release)
    image = values.get("image") or Deployment(desired).digest(release.version) or None
    if not values.get("bundle") and image is not None:
        values = _labelled(desired, str(image)) | values
    published = VersionProvider(desired.target).read(desired.name).get(release.version)
    function = _function(published.function) if published else None
    return VersionProvenance(**{name: values.get(name) for name in _RECORDED}, image=image, function=function or None)


def differences(new: VersionProvenance, old: VersionProvenance) -> list[Difference]:
    """What led to one version and not to the other, by dotted names. Pure."""
    one, other = _flat(new.to_json()), _flat(old.to_json())
    compared = []
    for name in dict.fromkeys([*one, *other]):
        before, after = other.get(name), one.get(name)
        if before != after:
            sign: Sign = "+" if before is None else "-" if after is None else "~"
            compared.append(Difference(sign, name, before, after))
    return compared


def _flat(values: Mapping[str, JsonValue], above: str = "") -> dict[str, JsonValue]:
    flat: dict[str, JsonValue] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{above}{name}.")
        elif value not in (None, "", []):
            flat[f"{above}{name}"] = value
    return flat


def _function(function: Function) -> dict[str, JsonValue]:
    """The settings that decide how a version answers. Of variables only the names: values may be secret."""
    known: dict[str, JsonValue] = {
        "memory": function.memory,
        "timeout": function.timeout,
        "ephemeral_storage": function.ephemeral_storage,
        "architecture": function.architecture,
        "runtime": function.runtime,
        "role": function.role,
        "environment": [*sorted(function.variables)],
        "subnets": [*sorted(function.vpc.subnets if function.vpc else ())],
    }
    return {name: value for name, value in known.items() if value}


def _labelled(desired: DesiredFunction, digest: str) -> dict[str, JsonValue]:
    try:
        labels = image_push.registry_of(desired.target, desired.spec.location).labels(desired.spec.repository, digest)
    except StageError:
        return {}
    provenance, _ = from_labels(labels)
    return provenance.to_json() if provenance else {}
