"""What one `apply` will do, as a value: files, stages with their reasons, changes outside the project. Writes nothing.

`make_apply_plan` builds it, `plan_file` saves and loads it, `preflight` refuses it, `execute` carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from mlspec.apply.remote import RemoteJson, RemoteState, observe, observers
from mlspec.compiler import Build, compile_project
from mlspec.parts.all_parts import PARTS
from mlspec.parts.dvc.part import raw
from mlspec.plan.stage import Stage
from mlspec.run.engine import Engine, EngineProject
from mlspec.run.engines.all_engines import ENGINES
from mlspec.run.journal import Journal
from mlspec.run.schedule import Selection, StageSchedule, Step, chosen, schedule
from mlspec.stage_context import StageContext
from mlspec.stage_result import Reason
from mlspec.workspace.build_stamp import BuildKey, build_key
from mlspec.workspace.changes import ChangeSet
from mlspec.workspace.compare import compare
from mlspec.workspace.lock import read_lock
from mlspec.workspace.roots import Roots, find_roots
from mlspec.workspace.spec_file import SpecFile
from mlspec.workspace.template_cache import template_cache


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """What to plan: the spec, the stages that are selected, the engine, and what its stages are passed.

    With `pull`, results that another machine has pushed are taken from the DVC remote.
    """

    where: SpecFile
    context: StageContext
    selection: Selection = field(default_factory=Selection)
    engine: str = "dvc"
    pull: bool = False


@dataclass(frozen=True, slots=True)
class ApplyPlan:
    """A build, what writing it changes, the stages to run, and what they change outside the project.

    `estimates` are the seconds that each stage took when it last ran, `last` how its last run ended (`ran`, `failed`,
    `interrupted`, …). `key` identifies the spec that was read.
    """

    request: ApplyRequest
    key: BuildKey
    build: Build
    roots: Roots
    changes: ChangeSet
    schedule: StageSchedule
    remote: RemoteState
    estimates: Mapping[str, float]
    last: Mapping[str, str]

    @property
    def context(self) -> StageContext:
        """What the stages are passed."""
        return self.request.context

    @property
    def nothing_to_do(self) -> bool:
        """Whether neither a file nor a stage is due."""
        return not self.changes.changed and not self.schedule.due


def make_apply_plan(request: ApplyRequest) -> ApplyPlan:
    """The ApplyPlan of a request. Raises SpecError, UsageError, MlspecError."""
    where = request.where
    key = build_key(where.spec, where.environment)
    build = compile_project(where.spec, where.environment, compiled=template_cache())
    roots = find_roots(where.root)
    changes = _changes(build, roots)
    selected = chosen(build.plan.stages, request.selection)
    remote = observe(build.project, roots.project / "artifacts", request.context, _names(selected), PARTS)
    engine = make_engine(build, roots, changes, request)
    reasons = {**engine.status([s for s in selected if s.name not in remote.reasons]), **remote.reasons}
    steps = schedule(build.plan.stages, reasons, request.selection, engine.lacks)
    journal = Journal(roots.project)
    last = {name: outcome.status for name, outcome in journal.last().items()}
    return ApplyPlan(request, key, build, roots, changes, steps, remote, journal.durations(), last)


def make_engine(build: Build, roots: Roots, changes: ChangeSet, request: ApplyRequest) -> Engine:
    """The engine of a request, over the project as it is once `changes` are written."""
    coming = {change.path: change.after for change in changes.pending}
    observed = observers(build.project, roots.project / "artifacts", request.context, PARTS)
    raw_data = tuple(raw(build.project, build.plan.stages))
    project = EngineProject(roots.project, coming, raw_data, observed, request.context, request.pull)
    return ENGINES[request.engine](project)


def outdated(build: Build, request: ApplyRequest, *, here: bool = False) -> dict[str, Reason]:
    """The stages whose files differ from what the spec, the data and the code make now, and why.

    With `here` only those that this machine can run.
    """
    roots = find_roots(request.where.root)
    stages = [stage for stage in build.plan.stages if not stage.effects]
    engine = make_engine(build, roots, _changes(build, roots), request)
    steps = schedule(stages, engine.status(stages), Selection(), engine.lacks).steps
    impossible: set[str] = set()
    for step in steps:
        if step.lacks is not None or not impossible.isdisjoint(step.after):
            impossible.add(step.stage.name)
    ignored = impossible if here else ()
    return {s.stage.name: s.reason for s in steps if s.reason is not None and s.stage.name not in ignored}


def _changes(build: Build, roots: Roots) -> ChangeSet:
    return compare(build.files, roots, read_lock(roots), others=build.project.surroundings.workflows)


def _names(stages: list[Stage]) -> list[str]:
    return [stage.name for stage in stages]


class FileJson(TypedDict):
    """A file that a plan writes or deletes."""

    path: str
    action: str
    part: str
    reason: str


class MissingJson(TypedDict):
    """What this machine lacks for a stage."""

    reason: str
    help: str


class StageJson(TypedDict):
    """A stage of a plan."""

    stage: str
    command: str
    run: bool
    certain: bool
    reason: str | None
    reason_kind: str | None
    after: list[str]
    estimate: float | None
    lacks: MissingJson | None


class PlanJson(TypedDict):
    """The stable JSON shape of a plan."""

    summary: str
    files: list[FileJson]
    stages: list[StageJson]
    remote: RemoteJson


def to_json(plan: ApplyPlan) -> PlanJson:
    """The stable JSON shape of a plan."""
    files: list[FileJson] = [
        {"path": c.path, "action": c.action, "part": c.part, "reason": c.reason}
        for c in plan.changes.changes
        if c.action not in ("unchanged", "keep")
    ]
    stages = [_step_json(step, plan.estimates.get(step.stage.name)) for step in plan.schedule.steps]
    return {"summary": plan.changes.summary(), "files": files, "stages": stages, "remote": plan.remote.to_json()}


def _step_json(step: Step, estimate: float | None) -> StageJson:
    return {
        "stage": step.stage.name,
        "command": step.stage.command,
        "run": step.reason is not None,
        "certain": step.certain,
        "reason": step.reason.text if step.reason else None,
        "reason_kind": step.reason.kind if step.reason else None,
        "after": list(step.after),
        "estimate": estimate,
        "lacks": {"reason": step.lacks.text, "help": step.lacks.help} if step.lacks else None,
    }
