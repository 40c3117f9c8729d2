"""The run: a picture of the pipeline, times, failed stages with the end of their logs, skipped stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from mlspec.plan.plan import Plan
from mlspec.render.formatting import DASH, seconds
from mlspec.report.pipeline_picture import PictureNode, across, down
from mlspec.report.result_files import tail
from mlspec.run.outcome import Outcome

LOG_LINES = 40
_WORDS = {
    "ran": "ran",
    "cached": "up to date",
    "skipped": "skipped",
    "failed": "failed",
    "interrupted": "interrupted",
    "waiting": "not run",
}
_SIGNS = {"ran": "✓", "cached": "✓", "skipped": "–", "failed": "✕", "interrupted": "✕", "waiting": ""}


@dataclass(frozen=True, slots=True)
class Timing:
    """One stage's row: times as text, and as parts of the longest for the bars."""

    stage: str
    description: str
    state: str
    word: str
    reason: str
    now: str
    before: str
    part: float
    part_before: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """A stage that failed or was skipped, with the end of its log."""

    stage: str
    state: str
    reason: str
    help: str
    log: str
    log_path: str


@dataclass(frozen=True, slots=True)
class PipelineView:
    """The section's content: the pipeline for wide and narrow screens, and the times."""

    across: Markup
    down: Markup
    timings: tuple[Timing, ...]
    with_before: bool


def view(plan: Plan, outcomes: Sequence[Outcome], before: Mapping[str, float]) -> PipelineView | None:
    """The section's content; None for a plan without stages. `before` are the seconds of the previous run."""
    if not plan.stages:
        return None
    by = {outcome.stage: outcome for outcome in outcomes}
    nodes = {s.name: _node(s.name, s.description, by.get(s.name), bool(outcomes)) for s in plan.stages}
    states = ", ".join(f"{node.name} {_WORDS[node.state]}" for node in nodes.values())
    label = f"the pipeline, {len(nodes)} stages: {states}"
    return PipelineView(
        across=across(plan.stages, nodes, label),
        down=down(plan.stages, nodes, label),
        timings=_timings(plan, by, before) if outcomes else (),
        with_before=bool(before),
    )


def _because(outcome: Outcome | None) -> str:
    if outcome is None or outcome.reason.kind == "up-to-date":
        return ""
    return "for the first time" if outcome.reason.kind == "never-ran" else outcome.reason.text


def troubles(outcomes: Sequence[Outcome], root: Path) -> tuple[Trouble, ...]:
    """Failed and interrupted stages with the end of their logs, then the skipped ones with their fix."""
    order = ("failed", "interrupted", "skipped")
    ordered = sorted((o for o in outcomes if o.status in order), key=lambda o: order.index(o.status))
    rows = [Trouble(o.stage, o.status, o.reason.text, o.help, _log(o, root), o.log or "") for o in ordered]
    # The headline has the first one: without a log it is not repeated.
    return tuple(trouble for index, trouble in enumerate(rows) if index or trouble.log or trouble.state == "skipped")


def _log(outcome: Outcome, root: Path) -> str:
    if outcome.log is None or outcome.status == "skipped":
        return ""
    path = (root / outcome.log).resolve()
    return tail(path, LOG_LINES) if path.is_relative_to(root.resolve()) else ""


def _node(name: str, description: str, outcome: Outcome | None, recorded: bool) -> PictureNode:
    state = outcome.status if outcome else "waiting"
    words = f"{_SIGNS[state]} {_WORDS[state]}".strip() if recorded else ""
    if outcome and outcome.status in ("ran", "failed", "interrupted"):
        words = (
            f"{_SIGNS[state]} {seconds(outcome.seconds)}" if state == "ran" else f"{words}, {seconds(outcome.seconds)}"
        )
    reason = f" ({outcome.reason})" if outcome and outcome.reason.text else ""
    return PictureNode(name, state, words, f"{name}: {description} — {_WORDS[state]}{reason}")


def _timings(plan: Plan, by: Mapping[str, Outcome], before: Mapping[str, float]) -> tuple[Timing, ...]:
    spent = {name: o.seconds for name, o in by.items() if o.status in ("ran", "failed", "interrupted")}
    longest = max([*spent.values(), *before.values(), 0.001])
    rows = []
    for stage in plan.stages:
        outcome, now, last = by.get(stage.name), spent.get(stage.name), before.get(stage.name)
        state = outcome.status if outcome else "waiting"
        rows.append(
            Timing(
                stage.name,
                stage.description,
                state,
                _WORDS[state],
                _because(outcome),
                DASH if now is None else seconds(now),
                DASH if last is None else seconds(last),
                100 * (now or 0.0) / longest,
                100 * (last or 0.0) / longest,
            )
        )
    return tuple(rows)
