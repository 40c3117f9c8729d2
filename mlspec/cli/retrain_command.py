"""`mlspec monitor retrain` and `approve`: the run of a training with `mlspec apply` as its pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from mlspec.cli.applying import ApplyOptions, apply, plan_source
from mlspec.cli.console import Console
from mlspec.cli.monitoring import observe, served_model
from mlspec.compiler import compile_project
from mlspec.errors import EXIT_OK, EXIT_STAGE, StageError
from mlspec.monitoring.retraining_run import RetrainingOutcome, RetrainingRun
from mlspec.run.schedule import Selection
from mlspec.sections.data import DataSpec
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project
from mlspec.target_facts import TargetName
from mlspec.workspace.spec_file import find_spec
from mlspec.workspace.template_cache import template_cache

ApprovalStep = Literal["release", "reject", "build", "record"]
"""What to do with a model that waits for approval; `build` and `record` are what comes before and after its release."""


class PipelineConsole(Console):
    """The output of a pipeline within another command: all of it goes to stderr, and none of it is the result."""

    def out(self, text: str = "") -> None:
        """A line of the result of the pipeline."""
        self.say(text)


def retrain(
    console: Console, spec: str | None, env: str | None, target: TargetName | None, *, anyway: bool, hold: bool
) -> int:
    """Train on labelled predictions if an alarm calls for it and the policy allows it. Gives the exit code.

    With `hold` a model that wins waits for approval.
    """
    run, deployed = _run(console, spec, env, target)
    if hold:
        run = replace(run, holds=True)
    if run.model.options.on_drift != "retrain" and not anyway:
        help = "set monitor.on_drift: retrain, or train once: mlspec monitor retrain --now"
        raise StageError("monitor.on_drift is `alert`, so an alarm starts no training", help=help)
    state = observe(run.model, timedelta(days=1), notifies=False).state
    alarms = [alarm.title for alarm in state.alarms if alarm.group in ("moved", "harmful")]
    return _print_outcome(console, run.run(alarms, datetime.now(UTC), anyway=anyway), deployed=deployed)


def approve(console: Console, spec: str | None, env: str | None, target: TargetName | None, step: ApprovalStep) -> int:
    """Release the model that waits for approval, take one step of that, or drop it."""
    run, deployed = _run(console, spec, env, target)
    match step:
        case "build":
            return _print_outcome(console, run.build_waiting(), deployed=deployed)
        case "record":
            return _print_outcome(console, run.record_release(), deployed=True)
        case "release" | "reject":
            return _print_outcome(console, run.decide_waiting(approve=step == "release"), deployed=deployed)


def _run(console: Console, spec: str | None, env: str | None, target: TargetName | None) -> tuple[RetrainingRun, bool]:
    """The run, and whether the release deploys the model."""
    model = served_model(spec, env)
    where = find_spec(spec, env)
    build = compile_project(where.spec, env, compiled=template_cache())
    project = build.project
    data = project.need(DataSpec)
    if data.collected is None:
        help = "add to `data`: collected: data/collected, then: mlspec build"
        raise StageError("labelled predictions have no folder: `data.collected` is not set", help=help)

    def pipeline(selection: Selection, required: tuple[str, ...]) -> int:
        options = ApplyOptions(
            selection,
            None,
            1,
            target,
            (),
            allow_breaking=False,
            adopt=False,
            yes=True,
            dry_run=False,
            required=required,
        )
        return apply(PipelineConsole(), plan_source(None, spec, env, options), options)

    release = release_stages(project, [stage.name for stage in build.plan.stages])
    run = RetrainingRun(
        model,
        where.root,
        data.collected,
        lambda: pipeline(Selection("export"), ("export",)),
        lambda: pipeline(Selection("image"), ("export", "image")),
        lambda: pipeline(Selection(None, release.selected), release.required),
        console.say,
    )
    return run, project.get(Deploy) is not None


class ReleaseStages(NamedTuple):
    """The stages of a release: those that it selects, none for all, and those that must have run or be up to date."""

    selected: tuple[str, ...]
    required: tuple[str, ...]


def release_stages(project: Project, stages: Sequence[str]) -> ReleaseStages:
    """The stages that release a new model, as the release workflow does: the infrastructure is there already."""
    tool = delivery_tool(project)
    delivering = ("export", "push", *([tool.service] if tool.releases else []), "deploy")
    others = {tool.foundation, tool.service} - set(delivering) if tool.creates else set()
    selected = tuple(name for name in stages if name not in others) if others else ()
    return ReleaseStages(selected, tuple(name for name in stages if name in delivering))


def _print_outcome(console: Console, outcome: RetrainingOutcome, *, deployed: bool) -> int:
    """Print the outcome; 4 where a training failed."""
    done = outcome.retraining
    if not deployed and done is not None and done.verdict in ("released", "approved"):
        outcome = replace(outcome, help="restart what serves it: mlspec serve, or docker compose up --build")
    if console.as_json:
        document = {"verdict": done.verdict if done else None, "reason": outcome.reason, "help": outcome.help}
        ok = done is None or done.verdict != "failed"
        console.document({"ok": ok, **document, "waiting": outcome.waiting})
        return EXIT_STAGE if done and done.verdict == "failed" else EXIT_OK
    if done is None:
        console.out(f"no training: {outcome.reason}")
    else:
        console.out(f"{_TITLES[done.verdict]}: {outcome.reason}")
    if outcome.help:
        console.say(f"  = help: {outcome.help}")
    return EXIT_STAGE if done and done.verdict == "failed" else EXIT_OK


_TITLES = {
    "released": "released the new model",
    "approved": "released the new model",
    "waiting": "the new model waits for approval (mlspec monitor approve)",
    "lost": "kept the current model",
    "undecided": "kept the current model",
    "failed": "the training failed, and the current model is kept",
    "running": "running",
}
