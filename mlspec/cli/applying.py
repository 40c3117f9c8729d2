"""`mlspec apply` step by step: plan, show, check, confirm, execute, summarize."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mlspec.apply.apply_plan import ApplyPlan, ApplyRequest, make_apply_plan
from mlspec.apply.execute import apply_hooks, dry_run_hooks, execute
from mlspec.apply.plan_file import compare_plan, load_plan, request_of
from mlspec.apply.preflight import check_compatibility, check_preflight
from mlspec.apply.summary import unfinished
from mlspec.cli import local_target
from mlspec.cli.confirmation import confirmed
from mlspec.cli.console import Console
from mlspec.cli.options import stage_context
from mlspec.cli.plan_text import show
from mlspec.cli.progress import Progress
from mlspec.cli.result_text import close
from mlspec.errors import EXIT_OK, EXIT_STAGE, UsageError
from mlspec.run.schedule import Selection
from mlspec.stage_context import StageContext, target_in
from mlspec.target_facts import TargetName
from mlspec.workspace.location import require_usable
from mlspec.workspace.mutex import hold
from mlspec.workspace.roots import find_roots
from mlspec.workspace.spec_file import find_spec
from mlspec.workspace.writer import recover


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """The options of `mlspec apply`."""

    selection: Selection
    engine: str | None
    jobs: int
    target: TargetName | None
    faults: tuple[str, ...]
    allow_breaking: bool
    adopt: bool
    yes: bool
    dry_run: bool
    wait: bool = False
    push: bool = False
    required: tuple[str, ...] = ()
    """Stages that must have run or be up to date: the run fails where one is skipped."""

    def context(self, root: Path, target: TargetName | None) -> StageContext:
        """What the stages are passed: this process holds the project for them."""
        context = stage_context(root, target)
        allow_breaking = self.allow_breaking or context.allow_breaking
        adopt = self.adopt or context.adopt
        return replace(context, faults=self.faults, allow_breaking=allow_breaking, adopt=adopt, holder=os.getpid())


@dataclass(frozen=True, slots=True)
class PlanSource:
    """The request to plan. `check` raises ConflictError where a saved plan is out of date; None of an unsaved one."""

    request: ApplyRequest
    check: Callable[[ApplyPlan], None] | None = None

    def make_plan(self) -> ApplyPlan:
        """The plan of now, which is the saved one where there is one."""
        plan = make_apply_plan(self.request)
        if self.check is not None:
            self.check(plan)
        return plan


def plan_source(file: Path | None, spec: str | None, env: str | None, options: ApplyOptions) -> PlanSource:
    """The plan in `file`, without one that of the spec. Raises UsageError for an option that `file` fixes."""
    selection, target = options.selection, options.target
    if file is None:
        where = find_spec(spec, env)
        context = options.context(where.root, target)
        return PlanSource(ApplyRequest(where, context, selection, options.engine or "dvc", options.push))
    given = {
        "env": env, "until": selection.until, "only": selection.only, "force": selection.force, "engine": options.engine
    }  # fmt: skip
    if option := next((name for name, value in given.items() if value), None):
        raise UsageError(f"--{option} is fixed by the plan in {file}", help="give it to `mlspec plan --out FILE`")
    saved, where = load_plan(file, spec, target or target_in(os.environ))
    request = request_of(saved, where, options.context(where.root, saved.target))
    return PlanSource(request, lambda plan: compare_plan(saved, plan, file))


def apply(console: Console, source: PlanSource, options: ApplyOptions) -> int:
    """Plan, show, check, confirm, execute, summarize; gives the exit code."""
    roots = find_roots(source.request.where.root)
    require_usable(roots.project)
    with hold(roots, "mlspec apply", wait=options.wait, patience=math.inf, on_wait=console.say):
        recover(roots)
        if not options.dry_run:
            local_target.start(source.request)
        plan = source.make_plan()
        console.diagnostics(plan.build.warnings)
        show(console, plan)
        check_preflight(plan, push=options.push)
        if not options.dry_run:
            check_compatibility(plan)
        progress = Progress(console, plan.schedule, plan.estimates, plan.last)
        hooks = dry_run_hooks(plan) if options.dry_run else apply_hooks(plan, progress, options.jobs, push=options.push)
        warn_ignored_options(console, plan, options, hooks.engine.max_jobs)
        if not _agreed(console, source, plan, options):
            console.say("nothing was done")
            return EXIT_OK
        result = execute(plan, hooks)
        code = close(console, plan, result)
        missed = unfinished(result.outcomes, options.required) if code == EXIT_OK else []
        for outcome in missed:
            console.say(f"{console.paint('error', 'red', 'bold')}: {outcome.stage} was skipped: {outcome.reason}")
            console.say(f"  = help: {outcome.help or 'mlspec plan'}")
        return EXIT_STAGE if missed else code


def warn_ignored_options(console: Console, plan: ApplyPlan, options: ApplyOptions, max_jobs: int) -> None:
    """Say which options have no effect on this run."""
    if options.jobs > max_jobs:
        at_once = f"{max_jobs} stages" if max_jobs > 1 else "one stage"
        console.say(f"--jobs {options.jobs} has no effect: the engine {plan.request.engine} runs {at_once} at a time")
    if options.faults and not any(step.stage.name == "deploy" for step in plan.schedule.due):
        console.say("--fault has no effect: no new version is deployed")


def _agreed(console: Console, source: PlanSource, plan: ApplyPlan, options: ApplyOptions) -> bool:
    if options.yes or options.dry_run or plan.nothing_to_do or source.check is not None:
        return True
    return confirmed(console, "Continue?", alternative=", or --dry-run to change nothing")
