"""`mlspec doctor`: what this machine has and lacks for the spec, and the commands that fix it."""

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
    """Show what this machine has and lacks for the spec, and the commands that fix it.

    Without a spec it checks what mlspec itself needs. The exit code is 0 if nothing required is missing, else 1.
    Values of environment variables are never printed.
    """
    from mlspec.run.machine_checks import examine, fixes

    console = Console(as_json=as_json)
    where = _place(spec, env)
    built, faults = _built(where)
    checks = examine(
        where.root if where else Path.cwd(), built.project if built else None, built.plan if built else None
    )
    sound = not faults and not any(check.fault for check in checks)
    if as_json:
        path = str(where.spec) if where else None
        rows = [check.to_json() for check in checks]
        console.document({"ok": sound, "spec": path, "spec_errors": faults, "checks": rows, "fixes": fixes(checks)})
    else:
        _print(console, checks, where, faults)
    return EXIT_OK if sound else EXIT_SPEC


def _place(spec: str | None, env: str | None) -> SpecFile | None:
    """The spec; None if there is none and none was named. Raises SpecError if the named one does not exist."""
    try:
        return find_spec(spec, env)
    except SpecError:
        if spec is not None:
            raise
        return None


def _built(where: SpecFile | None) -> tuple[Build | None, int]:
    """The Build and the number of faults in the spec; the machine is checked with an invalid spec too."""
    from mlspec.compiler import compile_project
    from mlspec.workspace.template_cache import template_cache

    if where is None:
        return None, 0
    try:
        return compile_project(where.spec, where.environment, compiled=template_cache()), 0
    except SpecError as error:
        return None, len(error.diagnostics)


def _print(console: Console, checks: tuple[MachineCheck, ...], where: SpecFile | None, faults: int) -> None:
    from mlspec.run.machine_checks import fixes

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
        console.out(f"missing and needed by {'the spec' if where else 'mlspec'}: {len(missing)}; to fix it:")
        for fix in fixes(checks):
            console.out(f"  {fix}")
    elif not faults:
        console.out("nothing is missing that " + ("the spec needs" if where else "mlspec needs to build a spec"))


def _line(console: Console, check: MachineCheck) -> str:
    """`  missing  docker   the engine does not answer (stage package)`; an optional one shows how to install it."""
    capability = check.capability
    word, colour = (
        ("ok", "green") if capability.present else ("missing", "red") if check.required else (check.word, "dim")
    )
    why = f" ({check.why})" if check.why and not capability.present else ""
    command = capability.fix if not check.required else ""
    fix = f": {command}" if command else ""
    name = capability.name.partition(":")[2] or capability.name
    return f"  {console.paint(f'{word:8}', colour, stream='out')} {name:18} {capability.detail}{why}{fix}"
