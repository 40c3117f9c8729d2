"""`mlspec why`: everything that led to a version."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, target_option
from mlspec.errors import EXIT_OK, UsageError
from mlspec.target_facts import TargetName
from mlspec.workspace.spec_file import find_spec

if TYPE_CHECKING:
    from pydantic import JsonValue

    from mlspec.aws.release_events import ReleaseEvent
    from mlspec.shipping.provenance import Difference
    from mlspec.shipping.versions import VersionList, VersionState
    from mlspec.workspace.spec_file import SpecFile

_WIDTH = 100
"""Columns of a line of settings."""


@click.command()
@click.argument("version", required=False)
@click.option("--against", metavar="VERSION", help="Show only what differs from that version.")
@spec_options
@target_option
def command(
    version: str | None,
    against: str | None,
    spec: str | None,
    env: str | None,
    as_json: bool,
    target: TargetName | None,
) -> int:
    """Show what VERSION is made of, by default the live one, and what happened to it.

    VERSION is a number of `mlspec releases`, or the version of a model as in predictions and `mlspec monitor`.
    A project without a deployment has one version, the exported model.

    Lists commit, spec, data, configuration, run, metrics, bundle, image and the function's settings as they were when
    it was published.
    """
    from mlspec.cli.deployed import deployed_versions, deploys

    console = Console(as_json=as_json)
    where = find_spec(spec, env)
    if not deploys(where):
        return _show_exported(console, where, version, against)

    from mlspec.shipping.provenance import differences, version_provenance

    with deployed_versions(where, target) as (desired, versions):
        release = _chosen(versions, version or (versions.live.version if versions.live else ""))
        other = _chosen(versions, against) if against else None
        provenance = version_provenance(desired, release)
        changes = differences(provenance, version_provenance(desired, other)) if other else None
    known = provenance.to_json()
    if as_json:
        events = [event.as_json() for event in release.events]
        document = {"version": release.version, "state": release.state, **known, "events": events}
        compared = {"against": against, "changes": [_row(c) for c in changes]} if changes is not None else {}
        console.document({"ok": True, **document, **compared})
    if changes is None:
        lines = _lines(desired.name, release, known)
    else:
        lines = _compared(desired.name, release.version, against or "", changes)
    for line in lines:
        console.out(line)
    return EXIT_OK


def _show_exported(console: Console, where: SpecFile, version: str | None, against: str | None) -> int:
    """Show what led to the exported model, the one version of a project without a deployment."""
    from mlspec.records.bundle_provenance import read_provenance
    from mlspec.records.lineage import Lineage

    artifacts = where.root / "artifacts"
    provenance, lineage = read_provenance(where.root, artifacts), Lineage.find(artifacts)
    if lineage is None:
        raise UsageError("no model is exported yet", help="mlspec apply")
    for number in filter(None, (version, against)):
        if number != provenance.version:
            help = f"this project has no deployment, so its one version is the exported model: {provenance.version}"
            raise UsageError(f"version not found: {number}", help=help)
    revision = None if lineage.git is None else lineage.git.commit + "-dirty" * lineage.git.dirty
    known = {**provenance.to_json(), "commit": revision}
    if console.as_json:
        console.document({"ok": True, "version": provenance.version, "state": "exported", **known})
    console.out(f"{lineage.project} version {provenance.version}, the exported model")
    for line in _made_of(known, ("commit", "spec", "data", "bundle", "run")):
        console.out(line)
    return EXIT_OK


def _chosen(versions: VersionList, number: str) -> VersionState:
    release = versions.find(number)
    if release is None:
        known = ", ".join(r.version for r in versions.releases[:10])
        message = f"version not found: {number}" if number else "no version was released yet"
        raise UsageError(message, help=f"available: {known}" if known else "mlspec apply")
    return release


def _row(change: Difference) -> dict[str, object]:
    return {"sign": change.sign, "what": change.name, "old": change.old, "new": change.new}


def _compared(function: str, version: str, other: str, changes: Sequence[Difference]) -> Iterator[str]:
    yield f"{function} version {version} against {other}" + ("" if changes else ": no differences")
    for change in changes:
        yield f"  {change.line()}"


def _lines(function: str, release: VersionState, known: Mapping[str, JsonValue]) -> Iterator[str]:
    from mlspec.cli.deployed import moment, standing

    yield f"{function} version {release.version}, {standing(release)}, published {moment(release.published)}"
    yield from _made_of(known, ("commit", "spec", "data", "bundle", "run", "image"))
    if release.events:
        yield "History"
    for event in release.events:
        why = f"  {event.why}" if event.why else ""
        yield f"  {moment(event.time)}  {_event_words(event, release.version)}{why}"


def _made_of(known: Mapping[str, JsonValue], names: Sequence[str]) -> Iterator[str]:
    from mlspec.cli.deployed import numbers

    for name in names:
        yield f"  {name:8} {known.get(name) or 'not known'}"
    yield f"  metrics  {numbers(known.get('metrics') or {}, most=20) or 'not known'}"
    config = known.get("config")
    for title, values in (("Function", {"": known.get("function")}), ("Configuration", config)):
        settings = {name: section for name, section in values.items() if section} if isinstance(values, dict) else {}
        if settings:
            yield title
        for name, section in settings.items():
            yield from _wrapped(f"  {name:8} " if name else "  ", _flat(section))


def _event_words(event: ReleaseEvent, version: str) -> str:
    """What happened, with the share of the traffic; of a manual rollback the other version."""
    if event.kind == "rollback":
        return f"rollback to {event.version}" if event.before == version else f"rollback from {event.before}"
    share = f"  {event.percent:g} %" if event.percent is not None else ""
    return f"{event.kind:9}{share}"


def _wrapped(first: str, text: str) -> list[str]:
    indent = " " * len(first)
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _flat(section: object) -> str:
    """The settings of a section as YAML in one line, without those that are empty or off."""
    from mlspec.render.quoting import flow

    return flow(_set(section)).removeprefix("{").removesuffix("}")


def _set(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _set(inner) for key, inner in value.items() if inner not in (None, False, "", [], {})}
    return [_set(inner) for inner in value] if isinstance(value, list | tuple) else value
