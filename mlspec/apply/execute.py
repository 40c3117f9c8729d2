"""An ApplyPlan carried out: files written, stages run, the spec built again for undeclared inputs, the report written.

Everything with an effect is a hook. A dry run executes the same plan with hooks that change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlspec.apply.apply_plan import ApplyPlan, make_engine, outdated
from mlspec.compiler import compile_project
from mlspec.dvc.remote_push import push
from mlspec.errors import StageError
from mlspec.report import write as write_report
from mlspec.run.engine import Engine
from mlspec.run.engines.dry_run import DryRun
from mlspec.run.journal import Journal, Recorder, Silent
from mlspec.run.outcome import Outcome
from mlspec.run.runner import Quiet, Watcher, run
from mlspec.source.project_context import recorded
from mlspec.workspace import build_stamp
from mlspec.workspace.compare import compare
from mlspec.workspace.lock import read_lock
from mlspec.workspace.template_cache import template_cache
from mlspec.workspace.writer import write


@dataclass(frozen=True, slots=True)
class RunHooks:
    """What the execution of a plan calls: `write_files` before the stages, `finish` after them, which gives the path
    of the report, and `push` last of all. At most `jobs` stages run at once."""

    write_files: Callable[[ApplyPlan], None]
    engine: Engine
    recorder: Recorder
    watcher: Watcher
    finish: Callable[[ApplyPlan, Sequence[Outcome]], Path | None]
    jobs: int = 1
    push: Callable[[ApplyPlan], None] | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """The outcomes of the stages, and the report, None of a dry run; and why the push failed, None where it did not."""

    outcomes: tuple[Outcome, ...]
    report: Path | None
    push_error: StageError | None = None


def execute(plan: ApplyPlan, hooks: RunHooks) -> RunResult:
    """Write the files, run the stages, and finish."""
    hooks.write_files(plan)
    outcomes = run(plan.schedule, hooks.engine, hooks.recorder, hooks.watcher, hooks.jobs)
    result = RunResult(outcomes, hooks.finish(plan, outcomes))
    interrupted = any(outcome.interrupted for outcome in outcomes)
    if hooks.push is not None and not interrupted:
        try:
            hooks.push(plan)
        except StageError as error:
            return replace(result, push_error=error)
    return result


def apply_hooks(plan: ApplyPlan, watcher: Watcher, jobs: int = 1, *, push: bool = False) -> RunHooks:
    """The hooks of `mlspec apply`."""
    pushing = push_results if push else None
    return RunHooks(write_files, _engine(plan), Journal(plan.roots.project), watcher, finish, jobs, pushing)


def push_results(plan: ApplyPlan) -> None:
    """Push to the DVC remote. Raises StageError."""
    push(plan.roots.project, lambda _: None)


def dry_run_hooks(plan: ApplyPlan) -> RunHooks:
    """Hooks that write nothing and run nothing."""
    return RunHooks(lambda _: None, DryRun(_engine(plan)), Silent(), Quiet(), lambda _, __: None)


def _engine(plan: ApplyPlan) -> Engine:
    return make_engine(plan.build, plan.roots, plan.changes, plan.request)


def write_files(plan: ApplyPlan) -> None:
    """Write the files of the build, and remember it for the next."""
    write(plan.changes, plan.roots)
    build_stamp.remember(plan.key, plan.roots, plan.build.project.surroundings, plan.changes, plan.build.warnings)


def finish(plan: ApplyPlan, outcomes: Sequence[Outcome]) -> Path:
    """Build again where stages opened undeclared files, and write the report."""
    add_undeclared_inputs(plan)
    old = outdated(plan.build, plan.request)
    return write_report(plan.build.project, plan.build.plan, outcomes, plan.roots.project, outdated=old)


def add_undeclared_inputs(plan: ApplyPlan) -> None:
    """Build again where a stage opened files that nothing declares: from now on they are inputs in `dvc.yaml`."""
    where, roots = plan.request.where, plan.roots
    if recorded(where.root) == plan.build.project.surroundings.reads:
        return
    build = compile_project(where.spec, where.environment, compiled=template_cache())
    changes = compare(build.files, roots, read_lock(roots))
    if changes.conflict() is None:
        write(changes, roots)
