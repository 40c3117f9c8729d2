"""`mlspec init`: a working project from a starter, or a first spec from data."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from mlspec.cli import completion
from mlspec.cli.console import Console
from mlspec.cli.paths import PATH
from mlspec.errors import UsageError
from mlspec.starters import SCHEMA, STARTERS, Started, create, name_for, start
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
@click.option(
    "--data", metavar="PATH", type=PATH, help="Draft a spec from your own csv or tsv file, or folder of images."
)
@click.option("--target", metavar="COLUMN", help="With --data: the column to predict.")
@click.option("--name", metavar="NAME", help="The project's name. Default: the folder's.")
@click.option("--list", "listed", is_flag=True, help="Show the starters.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def command(
    folder: str,
    template: str | None,
    data: str | None,
    target: str | None,
    name: str | None,
    listed: bool,
    as_json: bool,
) -> int:
    """Create a starter project with its data in DIR, by default this folder.

    With --data it drafts a spec for your own data: the format, the inputs and the target, each with the reason.

    Existing files are never replaced: a README.md and a .gitignore are kept, any other conflict stops the command.
    """
    console = Console(as_json=as_json)
    if listed:
        return _list(console)
    place = Path(folder)
    require_usable(place)
    if data is not None:
        if template is not None:
            raise UsageError("--data and --template exclude each other", help="a starter has data of its own")
        return _drafted(console, Path(data), place, target, name)
    if target is not None:
        raise UsageError("--target needs --data", help="mlspec init --data FILE --target COLUMN")
    starter = template or _ask(console)
    started = start(starter, place, _name(name, place, starter), _schema())
    if as_json:
        files, kept = list(started.files), list(started.kept)
        console.document({"ok": True, "folder": str(place), "name": started.name, "files": files, "kept": kept})
    _next(console, started, starter)
    return 0


def _drafted(console: Console, data: Path, folder: Path, target: str | None, name: str | None) -> int:
    """Write the spec for the data, and show what was decided."""
    from mlspec.drafting.new_project import draft_of, files_of

    def choose(columns: Sequence[str]) -> str:
        return target if target is not None else _ask_target(console, columns)

    draft = draft_of(data, choose)
    if target is not None and data.is_dir():
        raise UsageError("a folder of images has no column", help="leave out --target: the folders are the labels")
    called = _name(name, folder, "model")
    files = files_of(draft, data, folder, called) | {SCHEMA: _schema().encode()}
    started = create(files, folder, called)
    if console.as_json:
        decided = {"inputs": draft.inputs, "left_out": draft.left_out, "target": draft.target, "notes": draft.notes}
        files_made = {"files": list(started.files), "kept": list(started.kept)}
        console.document({"ok": True, "folder": str(folder), "name": called, **files_made, **decided})
    width = max(len(column) for column in (*draft.inputs, *draft.left_out))
    for column, kind in draft.inputs.items():
        console.out(f"  {column:{width}}  {kind:8}  {draft.reasons[column]}")
    for column, why in draft.left_out.items():
        console.out(f"  {column:{width}}  left out  {why}")
    for note in draft.notes:
        console.say(f"{console.paint('warning', 'yellow', 'bold')}: {note}")
    _steps(console, started, f"{called}: a draft of {SPEC} from {data}.", ("mlspec build", "mlspec apply --until data"))
    return 0


def _ask_target(console: Console, columns: Sequence[str]) -> str:
    """The column that the user chooses."""
    if not (sys.stdin.isatty() and console.terminal):
        raise UsageError("no target given", help="--target COLUMN, one of: " + ", ".join(columns))
    console.say("  " + ", ".join(columns))
    return console.ask("Which column is to be predicted?", columns[-1])


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
        raise UsageError(
            "no starter given",
            help=f"--template NAME, one of: {', '.join(names)}; for data of your own: --data FILE --target COLUMN",
        )
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
    where = "this folder" if started.folder.resolve() == Path.cwd() else str(started.folder)
    done = f"{started.name}: {len(started.files)} files from the starter `{starter}`, in {where}."
    _steps(console, started, done, ("mlspec build", "mlspec apply --yes"))


def _steps(console: Console, started: Started, done: str, commands: Sequence[str]) -> None:
    """What was written, and the next commands."""
    here = started.folder.resolve() == Path.cwd()
    console.out(done)
    if started.kept:
        console.out(f"{' and '.join(started.kept)} kept.")
    console.out(f"Read {SPEC} first. Then:")
    for step in (*([] if here else [f"cd {shlex.quote(str(started.folder))}"]), *commands):
        console.out(f"  {step}")
