"""Starts the rollout of a published version: the spec's strategy with the metrics and the invoker of the target."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mlspec.aws import alias
from mlspec.aws.alias import Alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.release_events import ReleaseEvent, ReleaseHistory
from mlspec.aws.resource_tags import tags
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.sections.deploy import Deploy, Rollout
from mlspec.shipping import image_push
from mlspec.shipping.rollback import not_redeployed, rolled_back_by_hand
from mlspec.shipping.rollout.executor import RolloutExecutor
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionInvoker
from mlspec.stage_context import StageContext
from mlspec.stage_result import warn

Row = Mapping[str, JsonValue]
Apart = Callable[[Row, Row], float]
"""The bundle's answer and the version's to how far they lie apart."""


@dataclass(frozen=True)
class Tests:
    """Rows, the bundle's own answers to them from when it was packed, and how far an answer may be off."""

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
                message = f"it answers {str(answer)[:200]} to {str(row)[:200]}, and the bundle {str(expected)[:200]}"
                raise StageError(
                    message, help="the image was built from another bundle than the one here: mlspec apply"
                )
            worst = max(worst, gap)
        return f"{len(self.rows)} rows answered as by the bundle, at most {worst:.2g} apart"


@dataclass(frozen=True)
class Aliased:
    """The alias of one function, as a rollout's store."""

    target: AwsTarget
    function: str
    name: str

    def read(self) -> Alias | None:
        """The alias."""
        return alias.read(self.target, self.function, self.name)

    def write(self, moved: Alias) -> Alias:
        """The alias as it is then."""
        return alias.write(self.target, self.function, moved)


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


def history(target: AwsTarget, function: FunctionSpec) -> ReleaseHistory:
    """The function's history."""
    return ReleaseHistory(target, function.name, tags(function.info.name, target.source))


def roll_out(published: Published) -> Alias:
    """Roll the version out as `deploy.rollout` says. Returns the alias then; StageError where it was rolled back."""
    target, function, plan = published.target, published.function, published.job.need(Deploy).rollout or Rollout()
    tools = instruments(published)
    name = function.options.alias
    store, events = Aliased(target, function.name, name), history(target, function)
    if plan.strategy != "all-at-once":
        _say(f"version {published.version} of {function.name}: {plan.strategy}")
    live = store.read()
    if live is not None and (back := _held(events.read(), published.version, live)):
        warn(not_redeployed(back, published.version))
        return live
    if published.target.kind == "local":
        _unnoticed(plan, live, published.job.context)
    check = lambda version: published.tests.run(tools.prober, version)  # noqa: E731 - bound to what is known here
    return RolloutExecutor(plan, name, published.version, store, tools, events, check, _say).run()


def _unnoticed(plan: Rollout, live: Alias | None, context: StageContext) -> None:
    """Warn about an injected fault that the rollout cannot notice."""
    if not context.faults:
        return
    if live is None:
        warn("the injected fault has no effect: a first version has none before it to roll back to")
    elif not plan.abort_if:
        warn("the injected fault has no effect: `deploy.rollout` has no `abort_if` that would notice it")


def _held(events: Sequence[ReleaseEvent], version: str, live: Alias) -> ReleaseEvent | None:
    """A version that was rolled back manually is not redeployed by itself, for example by a scheduled apply."""
    if version in (live.version, live.other):
        return None
    own = [event for event in events if event.version == version]
    if own and own[-1].kind == "returned" and own[-1].why:
        _say(f"version {version} was rolled back before ({own[-1].why}); trying it again")
    return rolled_back_by_hand(events, version)


def instruments(published: Published) -> TrafficMetrics:
    """The metrics and the invoker of the target."""
    if published.target.kind == "local":
        from mlspec.shipping.rehearsal.rehearsed_traffic import rehearsed

        where = (published.target.region, published.function.name, published.function.options.alias)
        return rehearsed(published.job.context, published.version, published.audience() or published.tests.rows, *where)
    from mlspec.shipping.rollout import cloudwatch

    return cloudwatch.instruments(
        published.target, published.function.name, published.function.options.alias, _labels(published.job)
    )


def _labels(job: Job) -> list[str]:
    """The labels that the model predicts; none for a number."""
    signature = image_push.signature(job.inputs)
    return list(signature.labels) if signature else []


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
