"""`mlspec monitor retrain` and `approve`: the run of a training with `mlspec apply` as its pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from mlspec.apply.apply_plan import outdated
from mlspec.cli.applying import ApplyOptions, apply, plan_source
from mlspec.cli.console import Console
from mlspec.cli.monitoring import observe, served_model
from mlspec.compiler import compile_project
from mlspec.errors import EXIT_OK, EXIT_STAGE, StageError
from mlspec.monitoring.retraining_run import RetrainingOutcome, RetrainingRun
from mlspec.plan.stage import Stage
from mlspec.run.schedule import Selection, chosen
from mlspec.sections.data import DataSpec
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project
from mlspec.target_facts import TargetName
from mlspec.workspace.spec_file import find_spec
from mlspec.workspace.template_cache import template_cache

ApprovalStep = Literal["release", "reject", "build", "record"]
"""What to do with a model that waits for approval; `build` and `record` are what comes before and after its release."""


_CHANGES: Final = ("command-changed", "code-changed", "settings-changed", "input-changed")
"""Why a stage would make something else than it has made, by `Reason.kind`."""


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

    def options(selection: Selection, required: tuple[str, ...] = ()) -> ApplyOptions:
        return ApplyOptions(
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

    def pipeline(selection: Selection, required: tuple[str, ...]) -> int:
        given = options(selection, required)
        return apply(PipelineConsole(), plan_source(None, spec, env, given), given)

    def changed() -> dict[str, str]:
        request = plan_source(None, spec, env, options(Selection("export"))).request
        reasons = outdated(build, request)
        training = stages_until(build.plan.stages, "export")
        return {name: reasons[name].text for name in training if name in reasons and reasons[name].kind in _CHANGES}

    def of(stages: Callable[[Project, Sequence[Stage]], ReleaseStages]) -> int:
        some = stages(project, build.plan.stages)
        return pipeline(Selection(None, some.selected), some.required)

    run = RetrainingRun(
        model,
        where.root,
        data.collected,
        lambda: pipeline(Selection("export"), ("export",)),
        lambda: of(built_stages),
        lambda: of(release_stages),
        changed,
        console.say,
    )
    return run, project.get(Deploy) is not None


class ReleaseStages(NamedTuple):
    """Stages to run, and those of them that must have run or be up to date."""

    selected: tuple[str, ...]
    required: tuple[str, ...]


def release_stages(project: Project, stages: Sequence[Stage]) -> ReleaseStages:
    """The stages that release a new model: those that lead to its bundle, and those that depend on it.

    Nothing else is brought up to date with them; the infrastructure is there already, as for the release workflow.
    """
    tool = delivery_tool(project)
    delivering = ("export", "push", *([tool.service] if tool.releases else []), "deploy")
    others = {tool.foundation, tool.service} - set(delivering) if tool.creates else set()
    before = set(stages_until(stages, "export"))
    own = [s.name for s in stages if s.name in before or "export" in stages_until(stages, s.name)]
    selected = tuple(name for name in own if name not in others)
    return ReleaseStages(selected, tuple(name for name in selected if name in delivering))


def built_stages(project: Project, stages: Sequence[Stage]) -> ReleaseStages:
    """Those of them that change nothing outside this machine: up to the image, with the tests of the model."""
    here = {stage.name for stage in stages if not stage.effects} | {"image"}
    selected = tuple(name for name in release_stages(project, stages).selected if name in here)
    return ReleaseStages(selected, tuple(name for name in selected if name in ("export", "image")))


def stages_until(stages: Sequence[Stage], name: str) -> list[str]:
    """A stage and all that it depends on, in order."""
    return [stage.name for stage in chosen(stages, Selection(name))]


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
