"""An ApplyPlan to a file and back: `mlspec plan --out FILE` saves it, `mlspec apply FILE` requires that it still holds.

The file comes from wherever its user got it and is not trusted: it names what was looked at and never what to run.
"""

from __future__ import annotations

import json
import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

import mlspec
from mlspec.apply.apply_plan import ApplyPlan, make_apply_plan, to_json
from mlspec.dvc.tree import Tree
from mlspec.errors import ConflictError, UsageError
from mlspec.run.schedule import Selection, Step
from mlspec.stage_context import StageContext, TargetName
from mlspec.workspace.digests import digest
from mlspec.workspace.lock import digest as text_digest
from mlspec.workspace.lock import dump
from mlspec.workspace.output_file import brief, save
from mlspec.workspace.spec_file import SPEC, SpecFile, find_spec

VERSION = 1
_MAX_BYTES = 64 * 1024 * 1024
_SHOWN = 8
_APART = ("summary", "files", "stages")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Name = Annotated[str, Field(pattern=r"^[\w. -]+$")]
"""What the command line takes for an environment or a stage: it is printed again, also on a terminal."""


class SavedFile(_Closed):
    """What a build does to one file; SHA-256 of its text before and after, None where there is none."""

    action: str
    before: str | None
    after: str | None


class SavedStage(_Closed):
    """One stage: what runs it, and why; None where it is up to date."""

    command: str
    reason: str | None
    certain: bool
    forced: bool


class SavedPlan(_Closed):
    """A plan as it was shown, and the digests of all it was made from."""

    mlspec_plan: int
    mlspec: str
    spec: Annotated[str, Field(pattern=r"^[^/\x00-\x1f\x7f-\x9f]+$")]
    spec_sha256: str
    environment: _Name | None
    engine: Literal["dvc"]
    target: TargetName
    until: _Name | None
    only: tuple[_Name, ...]
    force: tuple[_Name, ...]
    lock_sha256: str
    files: Mapping[str, SavedFile]
    stages: Mapping[str, SavedStage]
    read: Mapping[str, str | None]
    """Every input and output of its stages: the digest that DVC gives it, None where it is not there."""
    rest: Mapping[str, JsonValue]
    """What else the plan shows, as `mlspec plan --json` has it."""


def keep(outlook: ApplyPlan, where: SpecFile, selection: Selection, engine: str, target: Path) -> None:
    """Write the plan to `target`, whole or not at all. Raises UsageError where that would cost another file."""
    if os.path.lexists(target):
        _read(target)  # only a plan gives way to a plan
    plan = _plan(outlook, where, selection, engine)
    save("the plan", target, json.dumps(plan.model_dump(), indent=1, ensure_ascii=False) + "\n")


def again(file: Path, spec: str | None, target: TargetName | None) -> tuple[SavedPlan, SpecFile]:
    """The plan in `file` and the spec that it names. Raises UsageError where it is for another target than `target`,
    and ConflictError where the spec has changed."""
    plan = _read(file)
    if plan.mlspec != mlspec.__version__:
        raise _stale(file, plan, [f"mlspec {plan.mlspec} made it, and this is {mlspec.__version__}"])
    if target not in (None, plan.target):
        raise UsageError(f"the plan in {file} is one for --target {plan.target}", help="leave --target out")
    named = spec or (None if plan.spec == SPEC else plan.spec)
    where = find_spec(named, plan.environment, gone=spec is None)
    if where.spec.name != plan.spec:
        raise UsageError(f"the plan in {file} is one of {plan.spec}", help="name that file with --spec FILE")
    if (now := _spec_digest(where)) != plan.spec_sha256:
        raise _stale(file, plan, [f"{plan.spec} {'changed' if now else 'is gone'}"])
    return plan, where


def hold(plan: SavedPlan, where: SpecFile, file: Path, context: StageContext) -> ApplyPlan:
    """The ApplyPlan of now, which is the one that was saved. Raises ConflictError that names what has changed since."""
    selection = Selection(plan.until, plan.only, plan.force)
    outlook = make_apply_plan(where, selection, context, plan.engine)
    if conflict := outlook.changes.conflict():
        raise conflict
    now = _plan(outlook, where, selection, plan.engine)
    if changes := list(_changes(plan, now)):
        raise _stale(file, plan, changes)
    return outlook


def _plan(outlook: ApplyPlan, where: SpecFile, selection: Selection, engine: str) -> SavedPlan:
    pending = outlook.changes.pending
    steps = outlook.schedule.steps
    tree = Tree(outlook.roots.project, {change.path: change.after for change in pending})
    paths = {path for s in steps for path in (*s.stage.inputs, *(output.path for output in s.stage.outputs))}
    return SavedPlan(
        mlspec_plan=VERSION,
        mlspec=mlspec.__version__,
        spec=where.spec.name,
        spec_sha256=_spec_digest(where),
        environment=where.environment,
        engine=cast("Literal['dvc']", engine),
        target=outlook.context.target,
        until=selection.until,
        only=selection.only,
        force=selection.force,
        lock_sha256=text_digest(dump(outlook.changes.lock_before)),
        files={c.path: SavedFile(action=c.action, before=_text(c.before), after=_text(c.after)) for c in pending},
        stages={
            s.stage.name: SavedStage(command=s.stage.command, reason=_reason(s), certain=s.certain, forced=s.forced)
            for s in steps
        },
        read={path: tree.digest(path) for path in sorted(paths)},
        rest=json.loads(json.dumps({key: value for key, value in to_json(outlook).items() if key not in _APART})),
    )


def _reason(step: Step) -> str | None:
    return None if step.reason is None else step.reason.text


def _spec_digest(where: SpecFile) -> str:
    """SHA-256 of the spec; of one that cannot be read, of nothing: the reader says why."""
    try:
        return digest(where.spec.read_bytes())
    except OSError:
        return ""


def _text(text: str | None) -> str | None:
    return None if text is None else text_digest(text)


def _changes(plan: SavedPlan, now: SavedPlan) -> Iterator[str]:
    """What is not as it was, a line each."""
    if plan.spec_sha256 != now.spec_sha256:
        yield f"{plan.spec} changed"
    if plan.lock_sha256 != now.lock_sha256:
        yield "mlspec.lock changed"
    for path in _differing(plan.files, now.files):
        before, after = plan.files.get(path), now.files.get(path)
        same = before is not None and after is not None and before.before == after.before
        yield f"{path} would be written otherwise" if same else f"{path} is not as it was on the disk"
    for path in _differing(plan.read, now.read):
        yield f"{path} {'is new' if not plan.read.get(path) else 'changed' if now.read.get(path) else 'is gone'}"
    for name in _differing(plan.stages, now.stages):
        then, today = _work(plan.stages.get(name)), _work(now.stages.get(name))
        yield f"stage {name}: {then} then, {today} now" if then != today else f"stage {name} is another"
    for key in _differing(plan.rest, now.rest):
        yield f"what it says of `{key}` changed"


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    absent = object()
    return [key for key in dict.fromkeys([*before, *after]) if before.get(key, absent) != after.get(key, absent)]


def _work(work: SavedStage | None) -> str:
    if work is None:
        return "no stage"
    return "up to date" if work.reason is None else f"to run ({work.reason})"


def _stale(file: Path, plan: SavedPlan, changes: list[str]) -> ConflictError:
    more = [f"and {len(changes) - _SHOWN} more"] if len(changes) > _SHOWN else []
    listed = "\n".join(f"  {_plain(line)}" for line in (*changes[:_SHOWN], *more))
    given = [("--env", plan.environment), ("--until", plan.until)]
    given += [*(("--only", name) for name in plan.only), *(("--force", name) for name in plan.force)]
    words = ["mlspec", "plan", "--out", str(file), *(word for pair in given if pair[1] for word in pair if word)]
    return ConflictError(
        f"nothing was done: the plan in {file} no longer holds\n{listed}",
        paths=[],
        help=f"look again, and save what you see: {_plain(shlex.join(words))}\n"
        "or go on without a saved plan: mlspec apply",
    )


def _read(file: Path) -> SavedPlan:
    raw = _bytes(file)
    try:
        found: Any = json.loads(raw)
    except (ValueError, RecursionError):
        raise _no_plan(file) from None
    version = found.get("mlspec_plan") if isinstance(found, dict) else None
    if type(version) is not int:
        raise _no_plan(file)
    if version != VERSION:
        raise UsageError(
            f"the plan in {file} has format {version}, and this mlspec knows {VERSION}",
            help="save it anew with this mlspec: mlspec plan --out FILE",
        )
    try:
        return SavedPlan.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(str(step) for step in fault["loc"])
        raise _no_plan(file, f" ({_plain(at)}: {fault['msg'][0].lower()}{fault['msg'][1:]})") from None


def _bytes(file: Path) -> bytes:
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
            plain = stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
            raw = opened.read(_MAX_BYTES + 1) if plain else b""
    except OSError as error:
        raise UsageError(
            f"the plan in {brief(file)} cannot be read: {error.strerror}", help="save one with: mlspec plan --out FILE"
        ) from None
    if not plain or len(raw) > _MAX_BYTES:
        raise _no_plan(file)
    return raw


def _no_plan(file: Path, why: str = "") -> UsageError:
    return UsageError(
        f"{file} is not a plan that `mlspec plan --out` saved{why}", help="name another file, or remove this one"
    )


def _plain(text: str) -> str:
    """Text out of the file, without what a terminal would act on."""
    return "".join(c if c.isprintable() else "?" for c in text)
