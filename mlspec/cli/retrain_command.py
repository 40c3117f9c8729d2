"""`mlspec monitor retrain` and `approve`: the run of a training with `mlspec apply` as its pipeline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlspec.cli.applying import ApplyOptions, apply, plan_source
from mlspec.cli.console import Console
from mlspec.cli.monitoring import observe, served_model
from mlspec.compiler import compile_project
from mlspec.errors import EXIT_OK, EXIT_STAGE, StageError
from mlspec.monitoring.retraining_run import RetrainingOutcome, RetrainingRun
from mlspec.run.schedule import Selection
from mlspec.sections.data import DataSpec
from mlspec.stage_context import TargetName
from mlspec.workspace.spec_file import find_spec
from mlspec.workspace.template_cache import template_cache


def retrain(console: Console, spec: str | None, env: str | None, target: TargetName | None, *, anyway: bool) -> int:
    """Train on labelled predictions if an alarm calls for it and the policy allows it. Gives the exit code."""
    run = _run(console, spec, env, target)
    if run.model.options.on_drift != "retrain" and not anyway:
        help = "set monitor.on_drift: retrain, or train once: mlspec monitor retrain --now"
        raise StageError("monitor.on_drift is `alert`, so an alarm starts no training", help=help)
    state = observe(run.model, timedelta(days=1), notifies=False).state
    alarms = [alarm.title for alarm in state.alarms if alarm.group in ("moved", "harmful")]
    return _print_outcome(console, run.run(alarms, datetime.now(UTC), anyway=anyway))


def approve(console: Console, spec: str | None, env: str | None, target: TargetName | None, *, reject: bool) -> int:
    """Release the model that waits for approval, or drop it."""
    return _print_outcome(console, _run(console, spec, env, target).decide_waiting(approve=not reject))


def _run(console: Console, spec: str | None, env: str | None, target: TargetName | None) -> RetrainingRun:
    model = served_model(spec, env)
    where = find_spec(spec, env)
    data = compile_project(where.spec, env, compiled=template_cache()).project.need(DataSpec)
    if data.collected is None:
        help = "add to `data`: collected: data/collected, then: mlspec build"
        raise StageError("`data.collected` is not set, so there is no folder for labelled predictions", help=help)

    def pipeline(until: str | None) -> int:
        options = ApplyOptions(
            Selection(until, (), ()), None, 1, target, (), allow_breaking=False, yes=True, dry_run=False
        )
        return apply(console, plan_source(None, spec, env, options), options)

    return RetrainingRun(
        model, where.root, data.collected, lambda: pipeline("export"), lambda: pipeline(None), console.say
    )


def _print_outcome(console: Console, outcome: RetrainingOutcome) -> int:
    """Print the outcome; 4 where a training failed."""
    done = outcome.retraining
    if console.as_json:
        document = {"verdict": done.verdict if done else None, "reason": outcome.reason, "help": outcome.help}
        console.document({"ok": done is None or done.verdict != "failed", **document})
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
