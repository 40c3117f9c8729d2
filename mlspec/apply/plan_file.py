"""An ApplyPlan to a file and back: `mlspec plan --out FILE` saves it, `mlspec apply FILE` executes it if still valid.

The file is not trusted: it holds digests of what the plan was made from, and never a command to run. The plan is made
again and compared with it.
"""

from __future__ import annotations

import json
import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

import mlspec
from mlspec.apply.apply_plan import ApplyPlan, ApplyRequest, to_json
from mlspec.dvc.tree import Tree
from mlspec.errors import ConflictError, UsageError
from mlspec.run.schedule import Selection, Step
from mlspec.stage_context import StageContext
from mlspec.target_facts import TargetName
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
"""What the command line accepts as an environment or a stage: it is printed again, also on a terminal."""


class SavedFile(_Closed):
    """What a build does to one file; SHA-256 of its text before and after, None where there is none."""

    action: str
    before: str | None
    after: str | None


class SavedStage(_Closed):
    """One stage: its command, why it runs (None where it is up to date), and what this machine lacks for it."""

    command: str
    reason: str | None
    certain: bool
    forced: bool
    lacks: str | None = None


class SavedPlan(_Closed):
    """A plan as it was shown, and the digests of everything it was made from."""

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
    """The digest by which DVC compares each input and output of the stages, None where it does not exist."""
    rest: Mapping[str, JsonValue]
    """What else the plan shows, in the shape of `mlspec plan --json`."""


def save_plan(plan: ApplyPlan, target: Path) -> None:
    """Write the plan to `target`, whole or not at all. Raises UsageError where that would replace another file."""
    if os.path.lexists(target) and not target.is_dir():
        _read(target)  # only a plan is replaced by a plan
    text = json.dumps(_saved(plan).model_dump(), indent=1, ensure_ascii=False)
    save("the plan", target, text + "\n")


def load_plan(file: Path, spec: str | None, target: TargetName | None) -> tuple[SavedPlan, SpecFile]:
    """The plan in `file` and the spec that it names. Raises UsageError where it is for another target than `target`,
    and ConflictError where the spec has changed."""
    saved = _read(file)
    if saved.mlspec != mlspec.__version__:
        raise _stale(file, saved, [f"it was saved by mlspec {saved.mlspec}, this is mlspec {mlspec.__version__}"])
    if target not in (None, saved.target):
        raise UsageError(f"the plan in {file} is for --target {saved.target}, not {target}", help="omit --target")
    named = spec or (None if saved.spec == SPEC else saved.spec)
    where = find_spec(named, saved.environment, gone=spec is None)
    if where.spec.name != saved.spec:
        raise UsageError(f"the plan in {file} is for {saved.spec}", help=f"use --spec {saved.spec}")
    if (now := _spec_digest(where)) != saved.spec_sha256:
        raise _stale(file, saved, [f"{saved.spec} {'changed' if now else 'was deleted'}"])
    return saved, where


def request_of(saved: SavedPlan, where: SpecFile, context: StageContext) -> ApplyRequest:
    """The request that the plan was made from."""
    return ApplyRequest(where, context, Selection(saved.until, saved.only, saved.force), saved.engine)


def compare_plan(saved: SavedPlan, plan: ApplyPlan, file: Path) -> None:
    """Raise ConflictError, which names what has changed, where the plan of now is not the one that was saved."""
    if conflict := plan.changes.conflict():
        raise conflict
    if changes := list(_changes(saved, _saved(plan))):
        raise _stale(file, saved, changes)


def _saved(plan: ApplyPlan) -> SavedPlan:
    request, pending, steps = plan.request, plan.changes.pending, plan.schedule.steps
    tree = Tree(plan.roots.project, {change.path: change.after for change in pending})
    paths = {path for s in steps for path in (*s.stage.inputs, *(output.path for output in s.stage.outputs))}
    return SavedPlan(
        mlspec_plan=VERSION,
        mlspec=mlspec.__version__,
        spec=request.where.spec.name,
        spec_sha256=plan.key.sha256,
        environment=request.where.environment,
        engine=cast("Literal['dvc']", request.engine),
        target=plan.context.target,
        until=request.selection.until,
        only=request.selection.only,
        force=request.selection.force,
        lock_sha256=text_digest(dump(plan.changes.lock_before)),
        files={c.path: SavedFile(action=c.action, before=_text(c.before), after=_text(c.after)) for c in pending},
        stages={s.stage.name: _saved_stage(s) for s in steps},
        read={path: tree.digest(path) for path in sorted(paths)},
        rest=json.loads(json.dumps({key: value for key, value in to_json(plan).items() if key not in _APART})),
    )


def _saved_stage(step: Step) -> SavedStage:
    return SavedStage(
        command=step.stage.command,
        reason=step.reason.text if step.reason else None,
        certain=step.certain,
        forced=step.forced,
        lacks=step.lacks.text if step.lacks else None,
    )


def _spec_digest(where: SpecFile) -> str:
    """SHA-256 of the spec, "" where it cannot be read: the reader reports why."""
    try:
        return digest(where.spec.read_bytes())
    except OSError:
        return ""


def _text(text: str | None) -> str | None:
    return None if text is None else text_digest(text)


def _changes(plan: SavedPlan, now: SavedPlan) -> Iterator[str]:
    """What differs, a line each."""
    if plan.spec_sha256 != now.spec_sha256:
        yield f"{plan.spec} changed"
    if plan.lock_sha256 != now.lock_sha256:
        yield "mlspec.lock changed"
    for path in _differing(plan.files, now.files):
        before, after = plan.files.get(path), now.files.get(path)
        same = before is not None and after is not None and before.before == after.before
        yield f"{path} would be written with different content" if same else f"{path} changed on disk"
    for path in _differing(plan.read, now.read):
        yield f"{path} {'is new' if not plan.read.get(path) else 'changed' if now.read.get(path) else 'was deleted'}"
    for name in _differing(plan.stages, now.stages):
        then, today = _described(plan.stages.get(name)), _described(now.stages.get(name))
        yield f"stage {name}: {then} when saved, {today} now" if then != today else f"stage {name} changed"
    for key in _differing(plan.rest, now.rest):
        yield f"`{key}` changed"


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    absent = object()
    return [key for key in dict.fromkeys([*before, *after]) if before.get(key, absent) != after.get(key, absent)]


def _described(stage: SavedStage | None) -> str:
    if stage is None:
        return "not in the plan"
    if stage.lacks is not None:
        return f"skipped ({stage.lacks})"
    return "up to date" if stage.reason is None else f"to run ({stage.reason})"


def _stale(file: Path, plan: SavedPlan, changes: list[str]) -> ConflictError:
    more = [f"and {len(changes) - _SHOWN} more"] if len(changes) > _SHOWN else []
    listed = "\n".join(f"  {_plain(line)}" for line in (*changes[:_SHOWN], *more))
    given = [("--env", plan.environment), ("--until", plan.until)]
    given += [*(("--only", name) for name in plan.only), *(("--force", name) for name in plan.force)]
    words = ["mlspec", "plan", "--out", str(file), *(word for pair in given if pair[1] for word in pair if word)]
    return ConflictError(
        f"nothing was done: the plan in {file} is out of date\n{listed}",
        paths=[],
        help=f"plan again and review: {_plain(shlex.join(words))}\nor apply without a saved plan: mlspec apply",
    )


def _read(file: Path) -> SavedPlan:
    raw = _bytes(file)
    try:
        parsed: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise _no_plan(file) from None
    version = parsed.get("mlspec_plan") if isinstance(parsed, dict) else None
    if type(version) is not int:
        raise _no_plan(file)
    if version != VERSION:
        raise UsageError(
            f"the plan in {file} has format {version}; this mlspec reads format {VERSION}",
            help="save it again with this mlspec: mlspec plan --out FILE",
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
            f"cannot read the plan in {brief(file)}: {error.strerror}", help="save one with: mlspec plan --out FILE"
        ) from None
    if not plain or len(raw) > _MAX_BYTES:
        raise _no_plan(file)
    return raw


def _no_plan(file: Path, why: str = "") -> UsageError:
    return UsageError(
        f"{file} is not a plan saved by `mlspec plan --out`{why}", help="choose another file, or delete this one"
    )


def _plain(text: str) -> str:
    """Text of the file without control characters."""
    return "".join(c if c.isprintable() else "?" for c in text)
