"""`mlspec init`: a working project from a starter."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from mlspec.cli import completion
from mlspec.cli.console import Console
from mlspec.cli.paths import PATH
from mlspec.errors import UsageError
from mlspec.starters import STARTERS, Started, name_for, start
from mlspec.workspace.location import require_usable
from mlspec.workspace.spec_file import SPEC


@click.command()
@click.argument("folder", default=".", metavar="[DIR]", type=PATH)
@click.option(
    "--template",
    metavar="NAME",
    shell_complete=completion.starters,
    help=f"The starter: {', '.join(STARTERS)}.",
)
@click.option("--name", metavar="NAME", help="The project's name. Default: the folder's.")
@click.option("--list", "listed", is_flag=True, help="Show the starters.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def command(folder: str, template: str | None, name: str | None, listed: bool, as_json: bool) -> int:
    """Create a starter project with its data in DIR, by default this folder.

    Existing files are never replaced: a README.md and a .gitignore are kept, any other conflict stops the command.
    """
    console = Console(as_json=as_json)
    if listed:
        return _list(console)
    starter = template or _ask(console)
    place = Path(folder)
    require_usable(place)
    started = start(starter, place, _name(name, place, starter), _schema())
    if as_json:
        files, kept = list(started.files), list(started.kept)
        console.document({"ok": True, "folder": str(place), "name": started.name, "files": files, "kept": kept})
    _next(console, started, starter)
    return 0


def _list(console: Console) -> int:
    if console.as_json:
        console.document({"templates": dict(STARTERS)})
    for name, line in STARTERS.items():
        console.out(f"{name:10} {line}")
    return 0


def _ask(console: Console) -> str:
    """The starter that the user chooses, by name or number."""
    names = list(STARTERS)
    if not (sys.stdin.isatty() and console.terminal):
        raise UsageError("no starter given", help="--template NAME, one of: " + ", ".join(names))
    for number, (name, line) in enumerate(STARTERS.items(), start=1):
        console.say(f"  {number}  {console.paint(name, 'bold')}{' ' * (10 - len(name))} {line}")
    answer = console.ask("Which one?", names[0])
    return names[int(answer) - 1] if answer.isdecimal() and 0 < int(answer) <= len(names) else answer


def _name(given: str | None, folder: Path, starter: str) -> str:
    """The project's name, checked like `project.name` in the spec."""
    from pydantic import TypeAdapter, ValidationError

    from mlspec.spec.types import Name

    name = given if given is not None else name_for(folder, starter)
    try:
        return str(TypeAdapter(Name).validate_python(name))
    except ValidationError:
        help = "lowercase letters, digits, `-`, `_` and `.`, at most 63, for example `cola-classifier`"
        raise UsageError(f"`{name}` cannot be a project's name", help=help) from None


def _schema() -> str:
    from mlspec.parts.all_parts import PARTS
    from mlspec.spec.json_schema import json_schema

    return json.dumps(json_schema(PARTS), indent=2, ensure_ascii=False) + "\n"


def _next(console: Console, started: Started, starter: str) -> None:
    here = started.folder.resolve() == Path.cwd()
    where = "this folder" if here else str(started.folder)
    console.out(f"{started.name}: {len(started.files)} files from the starter `{starter}`, in {where}.")
    if started.kept:
        console.out(f"{' and '.join(started.kept)} kept.")
    console.out(f"Read {SPEC} first. Then:")
    for step in (*([] if here else [f"cd {shlex.quote(str(started.folder))}"]), "mlspec build", "mlspec apply --yes"):
        console.out(f"  {step}")
