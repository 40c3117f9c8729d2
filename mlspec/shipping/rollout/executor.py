"""Executes a RolloutPlan: each step is judged before the next, and the first bad verdict aborts.

A rollout that is stopped, fails or cannot read its metrics moves all traffic back to the old version, so that traffic
is never split without supervision.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from pydantic import JsonValue

from mlspec.aws.action import Action, Execution
from mlspec.aws.alias import Alias, moved_meanwhile
from mlspec.aws.release_events import Kind
from mlspec.errors import StageError
from mlspec.sections.deploy import Rollout
from mlspec.shipping.rollout.abort_check import Verdict, judge
from mlspec.shipping.rollout.rollout_plan import RolloutPlan, RolloutStep
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionMetrics
from mlspec.spec.types import duration_seconds
from mlspec.stage_result import rolled_back, stopped_with

_SINCE = re.compile(r"since (\d+)")


class EventRecorder(Protocol):
    """Where events are written; `ReleaseHistory` is one."""

    def add(  # noqa: D102
        self,
        kind: Kind,
        version: str,
        *,
        before: str | None = None,
        percent: float | None = None,
        why: str = "",
        numbers: Mapping[str, JsonValue] | None = None,
    ) -> object: ...


@dataclass
class RolloutExecutor:
    """The execution of one RolloutPlan. `read` returns the alias as it is; `check` tries the new version without
    traffic and raises StageError where it fails."""

    plan: RolloutPlan
    execution: Execution
    read: Callable[[], Alias | None]
    instruments: TrafficMetrics
    recorder: EventRecorder
    check: Callable[[str], str]
    say: Callable[[str], object]

    @property
    def candidate(self) -> str:
        """The number of the version that is rolled out."""
        return self.execution.value(self.plan.candidate)

    def run(self) -> None:
        """Move all traffic to the candidate. Raises StageError where it was rolled back, or where another process has
        moved the alias since the plan was made."""
        live = self._live()
        if live is None:
            self._first()
            return
        if self.plan.end_split:
            why = f"version {self.candidate} is to be {'live' if not self.plan.promote else 'rolled out instead'}"
            self._back(self.plan.end_split, live, live.other or "", why)
        if not self.plan.promote:
            return
        if live.other != self.candidate:
            self._checked(live)
        try:
            self._steps(live)
        except StageError:
            raise
        except BaseException as error:
            self._stopped(error)
            raise

    def _live(self) -> Alias | None:
        """The alias. Raises StageError where another process has moved it since the plan was made."""
        planned, live = self.plan.live, self.read()
        if (live.shares if live else None) != (planned.shares if planned else None):
            raise moved_meanwhile(self.plan.name, self.plan.function)
        if live is not None:
            self.execution.outputs["revision"] = live.revision
        return live

    def _move(self, actions: Iterable[Action]) -> float:
        """Execute moves of the alias; returns when."""
        now = self.instruments.now()
        self.execution.outputs["time"] = f"{now:.0f}"
        self.execution.run(actions)
        return now

    def _first(self) -> None:
        if self.plan.options.strategy != "all-at-once":
            self.say(f"  checks   {self.check(self.candidate)}")
        self._move(self.plan.promote)
        self.recorder.add("promoted", self.candidate, percent=100.0, why="the first version")

    def _checked(self, live: Alias) -> None:
        strategy = self.plan.options.strategy
        self.recorder.add("started", self.candidate, before=live.version, why=strategy)
        if strategy == "all-at-once":
            return
        try:
            self.say(f"  checks   {self.check(self.candidate)}")
        except StageError as error:
            self.recorder.add("returned", self.candidate, before=live.version, percent=0.0, why=error.message)
            message = f"version {self.candidate} failed its checks and received no traffic: {error.message}"
            raise StageError(message, help=error.help or _AGAIN) from None

    def _steps(self, live: Alias) -> None:
        match, since = _SINCE.search(live.description), self.instruments.now()
        since = float(match[1]) if match and live.other == self.candidate else since
        for step in self.plan.steps:
            if step.shift:
                since = self._move(step.shift)
                self.recorder.add("started", self.candidate, before=live.version, percent=step.percent)
            self._watch(live, step, since)
        split = bool(self.plan.steps) or live.other == self.candidate
        since = self._move(self.plan.promote)
        why = "every step passed" if split else self.plan.options.strategy
        self.recorder.add("promoted", self.candidate, before=live.version, percent=100.0, why=why)
        if self.plan.judged_afterwards:
            self._afterwards(live, since)

    def _watch(self, live: Alias, step: RolloutStep, since: float) -> None:
        """Watch one step until it is judged; raises StageError where the candidate was rolled back."""
        try:
            verdict, new = self._verdict(live.version, since)
        except StageError as error:
            why = f"the metrics cannot be read: {error.message}"
            self._abort(live, why)
            raise self._failed(live.version, why, error.help) from None
        numbers = {k: v for k, v in asdict(new).items() if v is not None}
        percent, promotes = step.percent, self.plan.options.too_few == "promote"
        if verdict.ruling == "good" or (verdict.ruling == "too few" and promotes):
            self.say(f"  {percent:>5g} %  {verdict.why}  ok")
            self.recorder.add(
                "step", self.candidate, before=live.version, percent=percent, why=verdict.why, numbers=numbers
            )
            return
        why = self._reason(verdict)
        self.say(f"  {percent:>5g} %  {why}")
        self._abort(live, why, percent, numbers)
        raise self._failed(live.version, why, _FEW if verdict.ruling == "too few" else _AGAIN)

    def _verdict(self, live: str, since: float) -> tuple[Verdict, VersionMetrics]:
        """Poll until the metrics are bad, or good for long enough, or `patience` is over."""
        tools = self.instruments
        interval = 0 if tools.hurry else duration_seconds(self.plan.options.interval)
        last = max(since + max(interval, duration_seconds(self.plan.options.patience)), tools.now())
        while True:
            new, old = tools.meter.read(self.candidate, since), tools.meter.read(live, since)
            verdict, now = judge(self.plan.options, new, old), tools.now()
            if verdict.ruling == "bad" or (verdict.ruling == "good" and now >= since + interval) or now >= last:
                return verdict, new
            tools.wait(tools.pause)

    def _afterwards(self, live: Alias, since: float) -> None:
        """The new version receives all traffic: bad metrics still roll it back, too few requests do not."""
        alone = without_the_mix(self.plan.options)  # the old version receives no requests any more
        tools = self.instruments
        end = since + (0 if tools.hurry else duration_seconds(alone.interval))
        while True:
            new = tools.meter.read(self.candidate, since)
            verdict = judge(alone, new, VersionMetrics())
            if verdict.ruling == "bad":
                self.say(f"    100 %  {verdict.why}")
                self._abort(live, verdict.why, 100.0, asdict(new))
                raise self._failed(live.version, verdict.why, _AGAIN)
            if tools.now() >= end and (verdict.ruling == "good" or not tools.hurry or tools.now() >= end + _HURRY):
                self.say(f"    100 %  {verdict.why}  ok")
                return
            tools.wait(tools.pause)

    def _abort(
        self, live: Alias, why: str, percent: float | None = None, numbers: Mapping[str, JsonValue] | None = None
    ) -> None:
        """Move all traffic back to the version that was live before."""
        self._back(self.plan.abort, live, self.candidate, why, percent, numbers)

    def _back(
        self,
        actions: Iterable[Action],
        live: Alias,
        lost: str,
        why: str,
        percent: float | None = None,
        numbers: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self._move(actions)
        known = {k: v for k, v in (numbers or {}).items() if v is not None}
        rolled_back(lost, live.version)
        self.recorder.add("returned", lost, before=live.version, percent=percent, why=why, numbers=known)

    def _stopped(self, error: BaseException) -> None:
        """The rollout was stopped manually, or by an error of mlspec or the machine: it is supervised no longer."""
        live = self.read()
        if live is not None and live.other == self.candidate:
            self.execution.outputs["revision"] = live.revision
            reason = "manually" if isinstance(error, KeyboardInterrupt) else type(error).__name__
            self._abort(live, f"the rollout was stopped ({reason})")
            self._left(f"all traffic is on version {live.version} again")
        elif live is not None and live.version == self.candidate:
            self._left(f"version {live.version} receives all traffic already, and remains live")

    def _left(self, state: str) -> None:
        self.say(f"stopped: {state}")
        stopped_with(state)

    def _reason(self, verdict: Verdict) -> str:
        if verdict.ruling == "bad":
            return verdict.why
        return f"only {verdict.why} in {self.plan.options.patience}"

    def _failed(self, live: str, why: str, help: str) -> StageError:
        return StageError(
            f"version {self.candidate} was rolled back, all traffic is on version {live} again: {why}", help=help
        )


_HURRY = 60.0
"""Seconds after which a rehearsal no longer waits for requests."""
_AGAIN = "read the events (mlspec why), fix the model or the code, then: mlspec apply"
_FEW = "lower deploy.rollout.min_requests, raise patience, or set `too_few: promote`; then: mlspec apply"


def without_the_mix(options: Rollout) -> Rollout:
    """The options without the bound that compares the two versions."""
    bounds = options.abort_if
    return options.model_copy(update={"abort_if": bounds.model_copy(update={"psi": None})}) if bounds else options
