"""A published version to its rollout: the strategy of the spec, and the eyes and hands of the target."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlspec.aws import alias
from mlspec.aws.alias import Alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.cli_input import Function
from mlspec.aws.converge import sourced
from mlspec.aws.ecr import tags
from mlspec.aws.release_events import ReleaseEvent, ReleaseHistory
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.sections.deploy import Deploy, Rollout
from mlspec.shipping import image_push
from mlspec.shipping.rollback import stays_back, taken_back
from mlspec.shipping.rollout.executor import RolloutExecutor
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionInvoker
from mlspec.stage_context import StageContext
from mlspec.stage_result import warn

Row = Mapping[str, Any]
Apart = Callable[[Row, Any], float]
"""The bundle's answer and the version's to how far they lie apart."""


@dataclass(frozen=True)
class Tests:
    """Rows, the bundle's own answers to them from when it was packed, and how far an answer may be off."""

    rows: Sequence[Row]
    answers: Sequence[Row]
    apart: Apart
    tolerance: float

    def run(self, prober: VersionInvoker, version: str) -> str:
        """Put every row to the version; gives what was seen. Raises StageError for the first wrong answer."""
        worst = 0.0
        for row, expected in zip(self.rows, self.answers, strict=True):
            found = prober.invoke(version, row)
            gap = self.apart(expected, found)
            if not gap <= self.tolerance:
                message = f"it answers {str(found)[:200]} to {str(row)[:200]}, and the bundle {str(expected)[:200]}"
                raise StageError(message, help="the image does not hold the bundle that is here: mlspec apply")
            worst = max(worst, gap)
        return f"{len(self.rows)} rows answered as by the bundle, at most {worst:.2g} apart"


@dataclass(frozen=True)
class Aliased:
    """The alias of one function, as a rollout's store."""

    target: AwsTarget
    function: str
    name: str

    def read(self) -> Alias | None:
        """As it stands."""
        return alias.read(self.target, self.function, self.name)

    def write(self, moved: Alias) -> Alias:
        """As it stands then."""
        return alias.write(self.target, self.function, moved)


@dataclass(frozen=True)
class Published:
    """A version that is ready to take over, and what led to it."""

    job: Job
    target: AwsTarget
    function: Function
    version: str
    tests: Tests
    """Loads the bundle: called where the strategy tries the version, and nowhere else."""
    audience: Callable[[], Sequence[Row]] = list
    """Rows that a rehearsal sends, which has no callers; where there are none, those of the tests."""


def history(target: AwsTarget, function: Function) -> ReleaseHistory:
    """The function's history."""
    return ReleaseHistory(target, function.name, sourced(tags(function.info.name), target.source))


def roll_out(published: Published) -> Alias:
    """Let the version take over as `deploy.rollout` says. Gives the alias then; StageError where it was taken back."""
    target, function, plan = published.target, published.function, published.job.need(Deploy).rollout or Rollout()
    tools = instruments(published)
    name = function.options.alias
    store, events = Aliased(target, function.name, name), history(target, function)
    if plan.strategy != "all-at-once":
        _say(f"version {published.version} of {function.name}: {plan.strategy}")
    live = store.read()
    if live is not None and (back := _held(events.read(), published.version, live)):
        warn(stays_back(back, published.version))
        return live
    if published.target.kind == "local":
        _unnoticed(plan, live, published.job.context)
    check = lambda version: published.tests.run(tools.prober, version)  # noqa: E731 - bound to what is known here
    return RolloutExecutor(plan, name, published.version, store, tools, events, check, _say).run()


def _unnoticed(plan: Rollout, live: Alias | None, context: StageContext) -> None:
    """Whoever asks for a fault wants to see what it leads to."""
    if not context.faults:
        return
    if live is None:
        warn("the fault leads to nothing: a first version has none before it to go back to")
    elif not plan.abort_if:
        warn("the fault leads to nothing: `deploy.rollout` has no `abort_if` that would notice it")


def _held(events: Sequence[ReleaseEvent], version: str, live: Alias) -> ReleaseEvent | None:
    """What a person has taken back does not come again by itself, say with tonight's scheduled apply."""
    if version in (live.version, live.other):
        return None
    own = [event for event in events if event.version == version]
    if own and own[-1].kind == "returned" and own[-1].why:
        _say(f"version {version} was taken back before ({own[-1].why}); it is tried again")
    return taken_back(events, version)


def instruments(published: Published) -> TrafficMetrics:
    """What the target has to see through."""
    if published.target.kind == "local":
        from mlspec.shipping.rehearsal.rehearsed_traffic import rehearsed

        where = (published.target.region, published.function.name, published.function.options.alias)
        return rehearsed(published.job.context, published.version, published.audience() or published.tests.rows, *where)
    from mlspec.shipping.rollout import cloudwatch

    return cloudwatch.instruments(
        published.target, published.function.name, published.function.options.alias, _labels(published.job)
    )


def _labels(job: Job) -> list[str]:
    """What the model answers with; nothing for a number."""
    signature = image_push.signature(job.inputs)
    return list(signature.labels) if signature else []


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
