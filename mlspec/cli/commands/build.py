"""`mlspec build`: check the spec, render, compare, write."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    "--keep", multiple=True, metavar="PATH", type=PATH, help="Leave this file as it is, now and in later builds."
)
@click.option("--overwrite", multiple=True, metavar="PATH", type=PATH, help="Replace this file, whoever wrote it.")
@click.option("--no-wait", is_flag=True, help="Fail at once if another mlspec is at work here.")
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

    A generated file that was edited by hand is never overwritten: nothing at all is written then, the edit is shown,
    and the exit code is 3 until --keep or --overwrite settles it.
    """
    where = find_spec(spec, env)
    console = Console(as_json=as_json)
    roots = find_roots(where.root)
    require_usable(roots.project)
    question = build_stamp.build_key(where.spec, env)
    if not keep and not overwrite and (holds := build_stamp.up_to_date(question, roots)):
        return _nothing_to_do(console, holds)

    from mlspec.compiler import compile_project
    from mlspec.workspace.template_cache import template_cache

    build = compile_project(where.spec, env, compiled=template_cache())
    console.diagnostics(build.warnings)
    wishes = Wishes.of(keep, overwrite, build, roots)
    changes = _preview(build, roots, wishes) if check else _write(console, build, roots, wishes, wait=not no_wait)
    if conflict := changes.conflict():
        _show(console, changes.conflicts)
        raise conflict
    if not check:
        build_stamp.remember(question, roots, build.project.surroundings, changes, build.warnings)
    _report(console, changes, build.warnings, show_diff=show_diff)
    return EXIT_SPEC if check and changes.changed else EXIT_OK


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user says about single files, by their paths as a build prints them."""

    keep: frozenset[str] = frozenset()
    overwrite: frozenset[str] = frozenset()

    @classmethod
    def of(cls, keep: Iterable[str], overwrite: Iterable[str], build: Build, roots: Roots) -> Wishes:
        """From the command line. Raises UsageError for a path that is not a generated file's, or is in both."""
        if not keep and not overwrite:
            return cls()
        known = {roots.shown((file.anchor, file.path)) for file in build.files}
        known |= {roots.shown(key) for key in read_lock(roots).entries}
        made = cls(*(frozenset(_generated(path, known, roots) for path in paths) for paths in (keep, overwrite)))
        if both := made.keep & made.overwrite:
            raise UsageError(f"{min(both)} cannot be both kept and overwritten")
        return made


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


def _write(console: Console, build: Build, roots: Roots, wishes: Wishes, *, wait: bool) -> ChangeSet:
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.writer import recover, write

    with hold(roots, "mlspec build", wait=wait, on_wait=console.say):
        recover(roots)
        changes = _compare(build, roots, wishes)
        if not changes.conflicts:
            write(changes, roots)
    return changes


def _preview(build: Build, roots: Roots, wishes: Wishes) -> ChangeSet:
    """What would change. Writes nothing, but for an earlier build that was killed: that one is finished first."""
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.writer import recover, unfinished

    if unfinished(roots):
        with hold(roots, "mlspec build --check"):
            recover(roots)
    return _compare(build, roots, wishes)


def _compare(build: Build, roots: Roots, wishes: Wishes) -> ChangeSet:
    from mlspec.workspace.compare import compare

    others = build.project.surroundings.workflows
    return compare(build.files, roots, read_lock(roots), keep=wishes.keep, overwrite=wishes.overwrite, others=others)


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
    standing = _up_to_date(changes.count("unchanged"), changes.count("keep"))
    if not changes.changed:
        console.out(f"nothing to do: {standing}")
    elif changes.pending:
        console.out(f"{changes.summary()}, {standing}")
    else:
        console.out(f"{console.paint('~', 'yellow', stream='out')} {LOCK}")


def _line(console: Console, change: FileChange) -> str:
    sign = console.paint(SIGNS[change.action], _COLOURS[change.action], stream="out")
    return f"{sign} {change.path}" + (f"  ({change.reason})" if change.reason else "")


def _show(console: Console, changes: Iterable[FileChange]) -> None:
    """Diffs for the person who has to decide, from what is there to what would be."""
    for change in changes:
        if text := _coloured(console, change, "err"):
            console.say(text)


def _coloured(console: Console, change: FileChange, stream: str) -> str:
    colours = {"+": "green", "-": "red", "@": "blue"}
    lines = diff(change).split("\n")
    return "\n".join(console.paint(x, colours[x[0]], stream=stream) if x[:1] in colours else x for x in lines)


def _up_to_date(files: int, kept: int) -> str:
    text = f"{files} file{'' if files == 1 else 's'} unchanged"
    return f"{text}, {kept} kept as you left {'it' if kept == 1 else 'them'}" if kept else text


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
    found = [warning.to_json() for warning in warnings]
    return {"ok": True, "changed": changed, "summary": summary, "files": list(rows), "warnings": found}
