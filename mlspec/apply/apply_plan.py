"""What `apply` would do: the files of a build and the stages of a run, put together and shown. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlspec.apply.remote import Remote
from mlspec.compiler import Build, compile_project
from mlspec.parts.all_parts import PARTS
from mlspec.parts.dvc.part import raw
from mlspec.run.engine import Engine
from mlspec.run.engines.all_engines import ENGINES
from mlspec.run.journal import Journal
from mlspec.run.schedule import Selection, StageSchedule, chosen, schedule
from mlspec.stage_context import StageContext
from mlspec.stage_result import Reason
from mlspec.workspace.changes import ChangeSet
from mlspec.workspace.compare import compare
from mlspec.workspace.lock import read_lock
from mlspec.workspace.roots import Roots, find_roots
from mlspec.workspace.spec_file import SpecFile


@dataclass(frozen=True, slots=True)
class ApplyPlan:
    """A Build, what writing it changes, and the stages to run."""

    build: Build
    roots: Roots
    changes: ChangeSet
    engine: Engine
    journal: Journal
    schedule: StageSchedule
    remote: Remote
    context: StageContext

    @property
    def estimates(self) -> Mapping[str, float]:
        """Seconds that each stage took when it last ran."""
        return self.journal.durations()

    @property
    def nothing_to_do(self) -> bool:
        """Whether neither a file nor a stage is due."""
        return not self.changes.changed and not self.schedule.due


def make_apply_plan(
    where: SpecFile, selection: Selection, context: StageContext, engine_name: str = "dvc"
) -> ApplyPlan:
    """The ApplyPlan of the spec at `where`. Raises SpecError, UsageError, MlspecError."""
    build = compile_project(where.spec, where.environment)
    roots = find_roots(where.root)
    changes = compare(build.files, roots, read_lock(roots), others=build.project.surroundings.workflows)
    remote = Remote(build.project, roots.project / "artifacts", PARTS, context)
    engine = _engine(build, roots, changes, engine_name, context, remote.looks())
    reasons = engine.status(chosen(build.plan.stages, selection))
    steps = schedule(build.plan.stages, reasons, selection)
    return ApplyPlan(build, roots, changes, engine, Journal(roots.project), steps, remote, context)


def _engine(
    build: Build,
    roots: Roots,
    changes: ChangeSet,
    name: str,
    context: StageContext,
    looks: Mapping[str, Callable[[], Reason | None]],
) -> Engine:
    coming = {change.path: change.after for change in changes.pending}
    return ENGINES[name](roots.project, coming, raw(build.project, build.plan.stages), looks, context)


def engine_here(build: Build, root: Path) -> Engine:
    """The engine of the project in `root`, which looks at nothing outside of it."""
    roots = find_roots(root)
    return _engine(
        build,
        roots,
        compare(build.files, roots, read_lock(roots), others=build.project.surroundings.workflows),
        "dvc",
        StageContext(root=roots.project),
        {},
    )


def outdated(build: Build, engine: Engine) -> dict[str, Reason]:
    """The stages whose files are not what the spec, the data and the code of now would make, and why."""
    pure = [stage for stage in build.plan.stages if not stage.effects]
    steps = schedule(pure, engine.status(pure), Selection()).steps
    return {step.stage.name: step.reason for step in steps if step.reason is not None}


def to_json(outlook: ApplyPlan) -> dict[str, object]:
    """The stable JSON shape of a plan."""
    files = [
        {"path": c.path, "action": c.action, "part": c.part, "reason": c.reason}
        for c in outlook.changes.changes
        if c.action not in ("unchanged", "keep")
    ]
    stages = [
        {
            "stage": step.stage.name,
            "command": step.stage.command,
            "run": step.reason is not None,
            "certain": step.certain,
            "reason": step.reason.text if step.reason else None,
            "reason_kind": step.reason.kind if step.reason else None,
            "after": list(step.after),
            "estimate": outlook.estimates.get(step.stage.name),
        }
        for step in outlook.schedule.steps
    ]
    return {"summary": outlook.changes.summary(), "files": files, "stages": stages, "remote": outlook.remote.to_json()}
