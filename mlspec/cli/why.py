"""`mlspec why`: everything that led to a version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from mlspec.cli.console import Console
from mlspec.cli.options import place, spec_options, target_option
from mlspec.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from mlspec.shipping.ledger import Released


@click.command()
@click.argument("version", required=False)
@spec_options
@target_option
def command(version: str | None, spec: str | None, env: str | None, as_json: bool) -> int:
    """Show what VERSION is made of, by default the live one, and what happened to it.

    Commit, spec, data, configuration, run, metrics, bundle and image as they were when it was published.
    """
    from mlspec.cli.shipped import shipped
    from mlspec.shipping.errors import DEPLOY, told
    from mlspec.shipping.ledger import ledger
    from mlspec.shipping.origin import origin

    console = Console(as_json=as_json)
    with told(DEPLOY):
        asked = shipped(place(spec, env))
        found = ledger(asked.target, asked.function)
        number = version or (found.live.version if found.live else "")
        release = found.find(number)
        if release is None:
            known = ", ".join(r.version for r in found.releases[:10])
            message = f"there is no version {number}" if number else "nothing was released yet"
            raise UsageError(message, help=f"there are {known}" if known else "mlspec apply")
        known_of = origin(asked, release)
    if as_json:
        events = [event.as_json() for event in release.events]
        document = {"version": number, "state": release.state, **known_of, "events": events}
        console.document({"ok": True, **document})
    for line in _lines(asked.function.name, release, known_of):
        console.out(line)
    return EXIT_OK


def _lines(function: str, release: Released, known: Mapping[str, Any]) -> Iterator[str]:
    from mlspec.cli.shipped import moment, numbers, standing

    yield f"{function} version {release.version}, {standing(release)}, published {moment(release.published)}"
    for name in ("commit", "spec", "data", "bundle", "run", "image"):
        yield f"  {name:8} {known.get(name) or 'not known'}"
    yield f"  metrics  {numbers(known.get('metrics') or {}, most=20) or 'not known'}"
    if known.get("config"):
        yield "Configuration"
    for section, values in (known.get("config") or {}).items():
        yield f"  {section:8} {_flat(values)}"
    if release.events:
        yield "History"
    for event in release.events:
        share = f"  {event.percent:g} %" if event.percent is not None else ""
        why = f"  {event.why}" if event.why else ""
        yield f"  {moment(event.time)}  {event.kind:9}{share}{why}"


def _flat(values: Any) -> str:
    """The settings of a section on one line, without those that say nothing."""
    if not isinstance(values, Mapping):
        return str(values)
    return ", ".join(f"{key} {_flat(v) if not isinstance(v, Mapping) else '{' + _flat(v) + '}'}"
                     for key, v in values.items() if v not in (None, False, "", [], {}))  # fmt: skip
