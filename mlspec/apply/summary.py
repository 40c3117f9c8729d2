"""How a run ended, as a value: the exit code, counts, and the stages that this machine cannot run. Prints nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TypedDict

from mlspec.apply.apply_plan import ApplyPlan, PlanJson, to_json
from mlspec.apply.execute import RunResult
from mlspec.apply.stage_results import StageResultJson, stage_result_json
from mlspec.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_STAGE
from mlspec.run.outcome import Outcome, OutcomeJson, Status
from mlspec.run.schedule import MissingRequirement


class PushErrorJson(TypedDict):
    """Why the results are not on the DVC remote."""

    reason: str
    help: str


class ResultJson(TypedDict):
    """The stable JSON shape of a run."""

    ok: bool
    exit_code: int
    plan: PlanJson
    outcomes: list[OutcomeJson]
    results: dict[str, StageResultJson]
    report: str | None
    push_error: PushErrorJson | None


def exit_code(result: RunResult) -> int:
    """The exit code of `mlspec apply`; a dry run, which has no report, always succeeds.

    A stage for which the machine lacks something does not fail a run, unless it is one in which nothing ran.
    """
    if result.report is None:
        return EXIT_OK
    if any(outcome.interrupted for outcome in result.outcomes):
        return EXIT_INTERRUPTED
    failed = any(outcome.status == "failed" for outcome in result.outcomes)
    nothing_ran = missing_requirements(result.outcomes) and {o.status for o in result.outcomes} == {"skipped"}
    return EXIT_STAGE if failed or nothing_ran or result.push_error is not None else EXIT_OK


def unfinished(outcomes: Sequence[Outcome], required: Collection[str]) -> list[Outcome]:
    """The outcomes of the required stages that were skipped, so that their results are those of an earlier run."""
    return [outcome for outcome in outcomes if outcome.stage in required and outcome.status == "skipped"]


def counts(outcomes: Sequence[Outcome]) -> Mapping[Status, int]:
    """The number of stages by status."""
    return Counter(outcome.status for outcome in outcomes)


def missing_requirements(outcomes: Sequence[Outcome]) -> dict[MissingRequirement, tuple[str, ...]]:
    """What this machine lacks, each with the stages that were skipped for it."""
    stages: dict[MissingRequirement, list[str]] = {}
    for outcome in outcomes:
        if outcome.reason.kind == "lacks" and outcome.help:
            stages.setdefault(MissingRequirement(outcome.reason.text, outcome.help), []).append(outcome.stage)
    return {missing: tuple(names) for missing, names in stages.items()}


def repeated_options(plan: ApplyPlan) -> str:
    """The options that make another command use the same environment and target, with a space before them."""
    environment = plan.build.project.environment
    return f"{f' --env {environment}' if environment else ''}{plan.context.options}"


def result_json(plan: ApplyPlan, result: RunResult) -> ResultJson:
    """The stable JSON shape of a run."""
    code, error = exit_code(result), result.push_error
    report = result.report.relative_to(plan.roots.project).as_posix() if result.report else None
    outcomes = [outcome.to_json() for outcome in result.outcomes]
    stages = {step.stage.name: step.stage for step in plan.schedule.steps}
    results = {
        outcome.stage: stage_result_json(stages[outcome.stage], outcome, plan.roots.project)
        for outcome in result.outcomes
        if outcome.stage in stages and report is not None
    }
    return {
        "ok": code == EXIT_OK,
        "exit_code": code,
        "plan": to_json(plan),
        "outcomes": outcomes,
        "results": results,
        "report": report,
        "push_error": {"reason": error.message, "help": error.help} if error is not None else None,
    }
