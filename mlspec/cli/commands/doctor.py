"""`mlspec doctor`: what this machine has and lacks for the spec, and the commands that mend it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.errors import EXIT_OK, EXIT_SPEC, SpecError
from mlspec.workspace.spec_file import SpecFile, find_spec

if TYPE_CHECKING:
    from mlspec.compiler import Build
    from mlspec.run.machine_checks import MachineCheck


@click.command()
@spec_options
def command(spec: str | None, env: str | None, as_json: bool) -> int:
    """Show what this machine has and lacks for the spec, and the commands that mend it.

    Without a spec it speaks of mlspec in general. Exits with 0 when nothing that the spec needs is missing, else
    with 1. Values of environment variables are never printed.
    """
    from mlspec.run.machine_checks import examine, mends

    console = Console(as_json=as_json)
    where = _place(spec, env)
    built, faults = _built(where)
    checks = examine(
        where.root if where else Path.cwd(), built.project if built else None, built.plan if built else None
    )
    sound = not faults and not any(check.fault for check in checks)
    if as_json:
        path = str(where.spec) if where else None
        found = [check.to_json() for check in checks]
        console.document({"ok": sound, "spec": path, "spec_errors": faults, "checks": found, "mend": mends(checks)})
    else:
        _print(console, checks, where, faults)
    return EXIT_OK if sound else EXIT_SPEC


def _place(spec: str | None, env: str | None) -> SpecFile | None:
    """Where the spec is; None where there is none and none was asked for. Raises SpecError for one that was."""
    try:
        return find_spec(spec, env)
    except SpecError:
        if spec is not None:
            raise
        return None


def _built(where: SpecFile | None) -> tuple[Build | None, int]:
    """The Build and the number of faults in the spec; a faulty one still leaves the machine to look at."""
    from mlspec.compiler import compile_project
    from mlspec.workspace.template_cache import template_cache

    if where is None:
        return None, 0
    try:
        return compile_project(where.spec, where.environment, compiled=template_cache()), 0
    except SpecError as error:
        return None, len(error.diagnostics)


def _print(console: Console, checks: tuple[MachineCheck, ...], where: SpecFile | None, faults: int) -> None:
    from mlspec.run.machine_checks import mends

    group = ""
    for check in checks:
        if check.group != group:
            console.out(("\n" if group else "") + console.paint(check.group, "bold", stream="out"))
            group = check.group
        console.out(_line(console, check))
    console.out()
    missing = [check for check in checks if check.fault]
    if faults:
        console.out(f"{where.spec.name if where else 'the spec'} has errors: `mlspec build --check` shows them")
    if missing:
        console.out(f"missing and needed by {'the spec' if where else 'mlspec'}: {len(missing)}; this mends it:")
        for mend in mends(checks):
            console.out(f"  {mend}")
    elif not faults:
        console.out("nothing is missing that " + ("the spec needs" if where else "mlspec needs to build a spec"))


def _line(console: Console, check: MachineCheck) -> str:
    """`  missing  docker   the engine does not answer (stage package)`; what is merely absent says how to get it."""
    found = check.capability
    word, colour = ("ok", "green") if found.present else ("missing", "red") if check.required else ("absent", "dim")
    asked = f" ({check.why})" if check.why and not found.present else ""
    mend = f": {found.mend}" if found.mend and not check.required else ""
    name = found.name.partition(":")[2] or found.name
    return f"  {console.paint(f'{word:8}', colour, stream='out')} {name:18} {found.detail}{asked}{mend}"
