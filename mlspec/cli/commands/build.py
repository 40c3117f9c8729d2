"""`mlspec build`: check the spec, render, compare, write."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.cli.paths import PATH
from mlspec.diagnostics import Diagnostic
from mlspec.errors import EXIT_OK, EXIT_SPEC, UsageError
from mlspec.workspace import build_stamp
from mlspec.workspace.changes import SIGNS, ChangeSet, FileChange, diff
from mlspec.workspace.location import require_usable
from mlspec.workspace.lock import read_lock
from mlspec.workspace.roots import LOCK, Roots, find_roots
from mlspec.workspace.spec_file import find_spec

if TYPE_CHECKING:
    from mlspec.compiler import Build

_COLOURS = {"create": "green", "update": "yellow", "delete": "red", "conflict": "red"}


@click.command()
@spec_options
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if anything would change.")
@click.option("--diff", "show_diff", is_flag=True, help="Show every change as a diff.")
@click.option(
    "--keep", multiple=True, metavar="PATH", type=PATH, help="Keep this file unchanged, now and in later builds."
)
@click.option("--overwrite", multiple=True, metavar="PATH", type=PATH, help="Replace this file, also if it was edited.")
@click.option("--no-wait", is_flag=True, help="Fail immediately if another mlspec is running in this project.")
def command(
    spec: str | None,
    env: str | None,
    as_json: bool,
    check: bool,
    show_diff: bool,
    keep: tuple[str, ...],
    overwrite: tuple[str, ...],
    no_wait: bool,
) -> int:
    """Check the spec and write the files of every tool.

    A generated file that was edited manually is never overwritten: nothing is written, the edit is shown, and the exit
    code is 3 until --keep or --overwrite decides.
    """
    where = find_spec(spec, env)
    console = Console(as_json=as_json)
    roots = find_roots(where.root)
    require_usable(roots.project)
    key = build_stamp.build_key(where.spec, env)
    if not keep and not overwrite and (holds := build_stamp.up_to_date(key, roots)):
        return _nothing_to_do(console, holds)

    from mlspec.compiler import compile_project
    from mlspec.workspace.template_cache import template_cache

    build = compile_project(where.spec, env, compiled=template_cache())
    console.diagnostics(build.warnings)
    choices = FileChoices.of(keep, overwrite, build, roots)
    changes = _preview(build, roots, choices) if check else _write(console, build, roots, choices, wait=not no_wait)
    if conflict := changes.conflict():
        _show(console, changes.conflicts)
        raise conflict
    if not check:
        build_stamp.remember(key, roots, build.project.surroundings, changes, build.warnings)
    _report(console, changes, build.warnings, show_diff=show_diff)
    return EXIT_SPEC if check and changes.changed else EXIT_OK


class FileChoices(NamedTuple):
    """The user's decisions about single files, by their paths as a build prints them."""

    keep: frozenset[str] = frozenset()
    overwrite: frozenset[str] = frozenset()

    @classmethod
    def of(cls, keep: Iterable[str], overwrite: Iterable[str], build: Build, roots: Roots) -> FileChoices:
        """From the command line. Raises UsageError for a path that is not a generated file's, or is in both."""
        if not keep and not overwrite:
            return cls()
        known = {roots.shown((file.anchor, file.path)) for file in build.files}
        known |= {roots.shown(key) for key in read_lock(roots).entries}
        choices = cls(*(frozenset(_generated(path, known, roots) for path in paths) for paths in (keep, overwrite)))
        if both := choices.keep & choices.overwrite:
            raise UsageError(
                f"{min(both)} cannot be both kept and overwritten", help="give it to one of the two options"
            )
        return choices


def _generated(path: str, known: Collection[str], roots: Roots) -> str:
    """`path`, relative to the working folder or as a build prints it, as a build prints it."""
    from_here = os.path.relpath(os.path.abspath(path), roots.project)  # noqa: PTH100 - links are not followed
    for candidate in (from_here, os.path.normpath(path)):
        if candidate in known:
            return candidate
    from mlspec.spec.names import suggest

    raise UsageError(
        f"{path} is not a generated file", help=suggest(from_here, sorted(known), "the generated files are")
    )


def _write(console: Console, build: Build, roots: Roots, choices: FileChoices, *, wait: bool) -> ChangeSet:
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.writer import recover, write

    with hold(roots, "mlspec build", wait=wait, on_wait=console.say):
        recover(roots)
        changes = _compare(build, roots, choices)
        if not changes.conflicts:
            write(changes, roots)
    return changes


def _preview(build: Build, roots: Roots, choices: FileChoices) -> ChangeSet:
    """What would change. Writes nothing, except that an earlier build that was killed is completed first."""
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.writer import recover, unfinished

    if unfinished(roots):
        with hold(roots, "mlspec build --check"):
            recover(roots)
    return _compare(build, roots, choices)


def _compare(build: Build, roots: Roots, choices: FileChoices) -> ChangeSet:
    from mlspec.workspace.compare import compare

    others = build.project.surroundings.workflows
    return compare(build.files, roots, read_lock(roots), keep=choices.keep, overwrite=choices.overwrite, others=others)


def _nothing_to_do(console: Console, holds: build_stamp.CachedBuild) -> int:
    console.diagnostics(holds.warnings)
    if console.as_json:
        console.document(_document(False, "+0 ~0 -0", [], holds.warnings))
    console.out(f"nothing to do: {_up_to_date(holds.files, holds.kept)}")
    return EXIT_OK


def _report(console: Console, changes: ChangeSet, warnings: Sequence[Diagnostic], *, show_diff: bool) -> None:
    if console.as_json:
        rows = [_row(change, show_diff) for change in changes.changes if change.action != "unchanged"]
        console.document(_document(changes.changed, changes.summary(), rows, warnings))
    for change in changes.pending:
        console.out(_line(console, change))
        if show_diff:
            console.out(_coloured(console, change, "out"))
    unchanged = _up_to_date(changes.count("unchanged"), changes.count("keep"))
    if not changes.changed:
        console.out(f"nothing to do: {unchanged}")
    elif changes.pending:
        console.out(f"{changes.summary()}, {unchanged}")
    else:
        console.out(f"{console.paint('~', 'yellow', stream='out')} {LOCK}")


def _line(console: Console, change: FileChange) -> str:
    sign = console.paint(SIGNS[change.action], _COLOURS[change.action], stream="out")
    return f"{sign} {change.path}" + (f"  ({change.reason})" if change.reason else "")


def _show(console: Console, changes: Iterable[FileChange]) -> None:
    """Diffs of the conflicts, from the file on the disk to the generated one."""
    for change in changes:
        if text := _coloured(console, change, "err"):
            console.say(text)


def _coloured(console: Console, change: FileChange, stream: str) -> str:
    colours = {"+": "green", "-": "red", "@": "blue"}
    lines = diff(change).split("\n")
    return "\n".join(console.paint(x, colours[x[0]], stream=stream) if x[:1] in colours else x for x in lines)


def _up_to_date(files: int, kept: int) -> str:
    text = f"{files} file{'' if files == 1 else 's'} unchanged"
    return f"{text}, {kept} kept as you edited {'it' if kept == 1 else 'them'}" if kept else text


def _row(change: FileChange, show_diff: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "path": change.path,
        "action": change.action,
        "part": change.part,
        "reason": change.reason,
    }
    return row | {"diff": diff(change)} if show_diff else row


def _document(
    changed: bool, summary: str, rows: Sequence[dict[str, object]], warnings: Sequence[Diagnostic]
) -> dict[str, object]:
    shown = [warning.to_json() for warning in warnings]
    return {"ok": True, "changed": changed, "summary": summary, "files": list(rows), "warnings": shown}
