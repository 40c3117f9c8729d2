"""What mlspec installed in Elasticsearch and Kibana, and the actions that remove it. Predictions stay by default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mlspec.elastic.api_key_provider import forget
from mlspec.elastic.document_provider import owner
from mlspec.elastic.installation import Installation
from mlspec.parts.monitor.stack import KEYS
from mlspec.shipping.removal import Removal
from mlspec.spec.project import Project
from mlspec.spec.shared_values import at

_IN_USE = "the stored predictions need it"
KEPT = "--predictions removes it too, with all stored predictions"


def plan(installed: Installation, *, predictions: bool) -> list[Removal]:
    """All that exists, in the order in which it can be removed: Elasticsearch refuses to delete a template in use."""
    installed.client.check_version()
    return [*_kibana(installed), *_keys(installed), *_streams(installed, predictions=predictions)]


def carry_out(installed: Installation, removals: Iterable[Removal], say: Callable[[str], object]) -> None:
    """Remove what is not kept, in order."""
    for removal in removals:
        if not removal.kept:
            installed.providers[removal.action.kind].apply(removal.action)
            for key in installed.desired.keys if removal.action.kind == "api-key" else ():
                forget(key.file, removal.action.arguments["ids"])
            say(f"removed: {removal.action.resource}")


def left(project: Project, root: Path) -> list[str]:
    """Keys on this machine of an installation that no environment of the spec names."""
    files = sorted((root / KEYS).glob("*.env"))
    named = any(at(values, ("monitor", "elasticsearch")) is not None for values in project.variants.values())
    if named or not files:
        return []
    return [
        f"{KEYS}/{files[0].name} has a key of an installation in Elasticsearch, which the spec no longer names: to "
        "remove it, put `monitor.elasticsearch` back, then: mlspec destroy"
    ]


def _kibana(installed: Installation) -> Iterator[Removal]:
    if not installed.client.kibana_url:
        return
    yield from (Removal(action) for action in installed.kibana_removals())


def _keys(installed: Installation) -> Iterator[Removal]:
    for key in installed.desired.keys:
        current = installed.keys.read(key.name)
        for action in installed.keys.diff(None, current):
            kept = "" if current and owner(current.body) == installed.desired.project else "it is another project's"
            yield Removal(action, kept=kept)


def _streams(installed: Installation, *, predictions: bool) -> Iterator[Removal]:
    """The streams first; the templates and the pipeline are in use as long as a stream exists."""
    in_use = False
    for stream in installed.desired.streams:
        for action in installed.streams.diff(None, installed.streams.read(stream.name)):
            in_use = in_use or not predictions
            count = installed.streams.documents(stream.name)
            yield Removal(action, f"{count} document{'' if count == 1 else 's'}", "" if predictions else KEPT)
    component, index = installed.desired.templates
    for document in (index, component, installed.desired.pipeline):
        provider = installed.documents(document.kind)
        current = provider.read(document.name)
        foreign = current is not None and owner(current.body) != installed.desired.project
        kept = "it is another project's" if foreign else _IN_USE if in_use else ""
        yield from (Removal(action, kept=kept) for action in provider.diff(None, current))
