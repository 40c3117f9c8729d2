"""`mlspec audit`: what the project may reach."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.cli.paths import PathType
from mlspec.errors import EXIT_OK, EXIT_SPEC
from mlspec.render.formatting import plural
from mlspec.workspace.output_file import save
from mlspec.workspace.spec_file import find_spec

if TYPE_CHECKING:
    from mlspec.audit.audit_entry import AuditEntry


@click.command()
@click.option("--sarif", metavar="FILE", type=PathType(Path), help="Write the findings to FILE as SARIF 2.1.0.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@spec_options
def command(spec: str | None, env: str | None, as_json: bool, sarif: Path | None, strict: bool) -> int:
    """Show what the project has access to, read from its spec, its generated files and its locks.

    Lists secrets by name, permissions in the account and of workflows, hosts, actions, base images, packages without
    a hash, releases known to be bad, and pickles. Nothing is contacted, and no value of a secret is read. The exit code
    is 1 if there is an error.
    """
    from mlspec.audit.project_audit import audit
    from mlspec.audit.sarif import sarif as sarif_text
    from mlspec.compiler import compile_project
    from mlspec.workspace.template_cache import template_cache

    console = Console(as_json=as_json)
    where = find_spec(spec, env)
    built = compile_project(where.spec, where.environment, compiled=template_cache())
    entries = audit(built, where.spec)
    errors = sum(entry.level == "error" for entry in entries)
    warnings = sum(entry.level == "warning" for entry in entries)
    ok = not errors and not (strict and warnings)
    if sarif is not None:
        save("the audit", sarif, sarif_text(entries, built.project.surroundings.prefix))
    if as_json:
        rows = [entry.to_json() for entry in entries]
        console.document({"ok": ok, "errors": errors, "warnings": warnings, "entries": rows})
    else:
        _print(console, entries)
        console.out(f"{plural(errors, 'error')}, {plural(warnings, 'warning')}")
    return EXIT_OK if ok else EXIT_SPEC


def _print(console: Console, entries: Sequence[AuditEntry]) -> None:
    from mlspec.audit.audit_entry import TITLES

    for kind, group in groupby(entries, key=lambda entry: entry.kind):
        console.out(console.paint(TITLES[kind], "bold", stream="out"))
        for (name, detail, rule), same in groupby(group, key=lambda e: (e.name, e.detail, e.rule)):
            for line in _lines(console, name, detail, rule, list(same)):
                console.out(line)
        console.out()


def _lines(console: Console, name: str, detail: str, rule: str, same: Sequence[AuditEntry]) -> list[str]:
    colour = {"error": "red", "warning": "yellow"}.get(same[0].level, "")
    mark = f" {console.paint(f'{same[0].level}[{rule}]', colour, stream='out')}" if rule else ""
    places = list(dict.fromkeys(f"{entry.file}:{entry.line}" for entry in same))
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return [f"  {name}{mark}{f'  {detail}' if detail else ''}  ({places[0]}{more})"]
