"""Starts the planned rollout of a published version, with the metrics and the invoker of the target."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mlspec.aws import alias
from mlspec.aws.action import Execution
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.release_events import ReleaseEvent, ReleaseHistory
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.render.formatting import plural
from mlspec.shipping.rollout.executor import RolloutExecutor
from mlspec.shipping.rollout.rollout_plan import RolloutPlan
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionInvoker
from mlspec.stage_context import StageContext
from mlspec.stage_result import warn

Row = Mapping[str, JsonValue]
Apart = Callable[[Row, Row], float]
"""The answers of the bundle and of the version to their difference."""


@dataclass(frozen=True)
class Tests:
    """Test rows, the answers of the bundle to them when it was packed, and the largest difference of an answer."""

    rows: Sequence[Row]
    answers: Sequence[Row]
    apart: Apart
    tolerance: float

    def run(self, prober: VersionInvoker, version: str) -> str:
        """Send every row to the version; returns a summary. Raises StageError for the first wrong answer."""
        worst = 0.0
        for row, expected in zip(self.rows, self.answers, strict=True):
            answer = prober.invoke(version, row)
            gap = self.apart(expected, answer)
            if not gap <= self.tolerance:
                message = (
                    f"the version answers {str(answer)[:200]} to the row {str(row)[:200]}; the bundle answers "
                    f"{str(expected)[:200]}"
                )
                raise StageError(
                    message, help="the image was built from another bundle than the one here: mlspec apply"
                )
            worst = max(worst, gap)
        gap_words = f"differ from those of the bundle by at most {worst:.2g}" if worst else "equal those of the bundle"
        return f"the predictions of {plural(len(self.rows), 'test row')} {gap_words}"


@dataclass(frozen=True)
class Published:
    """A version that is ready to take over, and what led to it."""

    job: Job
    target: AwsTarget
    function: FunctionSpec
    version: str
    tests: Tests
    """Loads the bundle: called where the strategy tries the version, and nowhere else."""
    audience: Callable[[], Sequence[Row]] = list
    """Rows that a rehearsal sends, which has no clients; where they are none, those of the tests."""


Measure = Callable[[Published], TrafficMetrics]
"""Where the metrics of a rollout come from; `target_choice.instruments`, or those of a test."""


def roll_out(published: Published, plan: RolloutPlan, execution: Execution, measure: Measure) -> None:
    """Execute the plan of the rollout. Raises StageError where the version was rolled back."""
    target, function = published.target, published.function
    for action in plan.held:
        warn(action.held)
    if plan.held:
        return
    _unnoticed(plan, published.job.context)
    if not plan.moves or (plan.live and plan.live.shares == published.version):
        return
    if plan.options.strategy != "all-at-once":
        _say(f"version {published.version} of {function.name}: {plan.options.strategy}")
    events = ReleaseHistory(target, function.name)
    _say_again(events.read(), published.version)
    tools = measure(published)
    read = lambda: alias.read(target, function.name, plan.name)  # noqa: E731 - a closure over this rollout
    check = lambda version: published.tests.run(tools.prober, version)  # noqa: E731
    RolloutExecutor(plan, execution, read, tools, events, check, _say).run()


def _unnoticed(plan: RolloutPlan, context: StageContext) -> None:
    """Warn about an injected fault that the rollout cannot notice."""
    if not context.faults:
        return
    if plan.live is None:
        warn("the injected fault has no effect: a first version has none before it to roll back to")
    elif not plan.options.abort_if:
        warn("the injected fault has no effect: `deploy.rollout` has no `abort_if` that would notice it")


def _say_again(events: Sequence[ReleaseEvent], version: str) -> None:
    """Say that a rollout of the version was aborted before."""
    own = [event for event in events if event.version == version]
    if own and own[-1].kind == "returned" and own[-1].why:
        _say(f"version {version} was rolled back before ({own[-1].why}); trying it again")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
