"""A published version replaces the live one, in the steps of the spec, each judged before the next.

The alias has the whole state: its two versions, its weight and the time in its description show how far a rollout is,
on whatever machine it began. A killed rollout resumes from there. One that is stopped, fails or cannot read its metrics
moves all traffic back to the old version, so that traffic is never split without supervision.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from pydantic import JsonValue

from mlspec.aws.alias import Alias
from mlspec.aws.release_events import Kind
from mlspec.errors import StageError
from mlspec.sections.deploy import Rollout
from mlspec.shipping.rollout.abort_check import Verdict, judge
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionMetrics
from mlspec.spec.types import duration_seconds
from mlspec.stage_result import rolled_back, stopped_with

_SINCE = re.compile(r"since (\d+)")


class AliasStore(Protocol):
    """Where the alias is kept."""

    def read(self) -> Alias | None: ...  # noqa: D102

    def write(self, alias: Alias) -> Alias:
        """Raises StageError where another process has moved it since it was read."""


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
    """One rollout. `check` tries the new version without traffic and raises StageError where it fails."""

    plan: Rollout
    name: str
    candidate: str
    store: AliasStore
    instruments: TrafficMetrics
    recorder: EventRecorder
    check: Callable[[str], str]
    say: Callable[[str], object]

    def run(self) -> Alias:
        """Move all traffic to the candidate. Returns the alias then; raises StageError where it was rolled back."""
        live = self.store.read()
        if live is None:
            return self._first()
        if live.version == self.candidate:
            return live if live.other is None else self._back(live, f"version {live.version} is to be live")
        if live.other not in (None, self.candidate):
            live = self._back(live, f"version {self.candidate} is to be rolled out instead")
        if live.other is None:
            self._checked(live)
        try:
            return self._steps(live)
        except StageError:
            raise
        except BaseException as error:
            self._stopped(error)
            raise

    def _first(self) -> Alias:
        if self.plan.strategy != "all-at-once":
            self.say(f"  checks   {self.check(self.candidate)}")
        alias = self.store.write(Alias(self.name, self.candidate))
        self.recorder.add("promoted", self.candidate, percent=100.0, why="the first version")
        return alias

    def _checked(self, live: Alias) -> None:
        self.recorder.add("started", self.candidate, before=live.version, why=self.plan.strategy)
        if self.plan.strategy == "all-at-once":
            return
        try:
            self.say(f"  checks   {self.check(self.candidate)}")
        except StageError as error:
            self.recorder.add("returned", self.candidate, before=live.version, percent=0.0, why=error.message)
            message = f"version {self.candidate} failed its checks and received no traffic: {error.message}"
            raise StageError(message, help=error.help or _AGAIN) from None

    def _steps(self, live: Alias) -> Alias:
        for percent in remaining(self.plan.percents(), live.weight * 100):
            if percent >= 100:
                break
            if live.other is None or live.weight * 100 < percent - _NEAR:
                live = self._shift(live, percent)
            self._watch(live, percent)
        before, why = live.version, "every step passed" if live.other else self.plan.strategy
        live = self._promote(live, why)
        if self.plan.abort_if and self.plan.strategy in ("all-at-once", "blue-green"):
            self._afterwards(live, before)
        return live

    def _shift(self, live: Alias, percent: float) -> Alias:
        text = f"mlspec: {percent:g} % to version {self.candidate} since {self.instruments.now():.0f}"
        moved = self.store.write(replace(live, other=self.candidate, weight=percent / 100, description=text))
        self.recorder.add("started", self.candidate, before=live.version, percent=percent)
        return moved

    def _watch(self, live: Alias, percent: float) -> None:
        """Watch one step until it is judged; raises StageError where the candidate was rolled back."""
        try:
            verdict, new = self._verdict(live, self._since(live))
        except StageError as error:
            back = self._back(live, f"the metrics cannot be read: {error.message}")
            raise self._failed(back.version, f"the metrics cannot be read: {error.message}", error.help) from None
        numbers = {k: v for k, v in asdict(new).items() if v is not None}
        if verdict.ruling == "good" or (verdict.ruling == "too few" and self.plan.too_few == "promote"):
            self.say(f"  {percent:>5g} %  {verdict.why}  ok")
            self.recorder.add(
                "step", self.candidate, before=live.version, percent=percent, why=verdict.why, numbers=numbers
            )
            return
        why = self._reason(verdict)
        self.say(f"  {percent:>5g} %  {why}")
        self._back(live, why, percent, numbers)
        raise self._failed(live.version, why, _FEW if verdict.ruling == "too few" else _AGAIN)

    def _verdict(self, live: Alias, since: float) -> tuple[Verdict, VersionMetrics]:
        """Poll until the metrics are bad, or good for long enough, or `patience` is over."""
        tools = self.instruments
        interval = 0 if tools.hurry else duration_seconds(self.plan.interval)
        last = max(since + max(interval, duration_seconds(self.plan.patience)), tools.now())
        while True:
            new, old = tools.meter.read(self.candidate, since), tools.meter.read(live.version, since)
            verdict, now = judge(self.plan, new, old), tools.now()
            if verdict.ruling == "bad" or (verdict.ruling == "good" and now >= since + interval) or now >= last:
                return verdict, new
            tools.wait(tools.pause)

    def _afterwards(self, live: Alias, before: str) -> None:
        """The new version receives all traffic: bad metrics still roll it back, too few requests do not."""
        since, tools = self._since(live), self.instruments
        alone = without_the_mix(self.plan)  # the old version receives no requests any more
        end = since + (0 if tools.hurry else duration_seconds(self.plan.interval))
        while True:
            new = tools.meter.read(self.candidate, since)
            verdict = judge(alone, new, VersionMetrics())
            if verdict.ruling == "bad":
                self.say(f"    100 %  {verdict.why}")
                self._back(replace(live, version=before), verdict.why, 100.0, asdict(new))
                raise self._failed(before, verdict.why, _AGAIN)
            if tools.now() >= end and (verdict.ruling == "good" or not tools.hurry or tools.now() >= end + _HURRY):
                self.say(f"    100 %  {verdict.why}  ok")
                return
            tools.wait(tools.pause)

    def _since(self, live: Alias) -> float:
        match = _SINCE.search(live.description)
        return float(match[1]) if match else self.instruments.now()

    def _promote(self, live: Alias, why: str) -> Alias:
        text = f"mlspec: version {self.candidate} since {self.instruments.now():.0f}"
        moved = self.store.write(Alias(self.name, self.candidate, description=text, revision=live.revision))
        self.recorder.add("promoted", self.candidate, before=live.version, percent=100.0, why=why)
        return moved

    def _back(
        self, live: Alias, why: str, percent: float | None = None, numbers: Mapping[str, JsonValue] | None = None
    ) -> Alias:
        """Move all traffic to the version that was live before."""
        lost = live.other or self.candidate
        text = f"mlspec: version {live.version} since {self.instruments.now():.0f}, rolled back from {lost}"
        moved = self.store.write(replace(live, other=None, weight=0.0, description=text))
        known = {k: v for k, v in (numbers or {}).items() if v is not None}
        rolled_back(lost, live.version)
        self.recorder.add("returned", lost, before=live.version, percent=percent, why=why, numbers=known)
        return moved

    def _stopped(self, error: BaseException) -> None:
        """The rollout was stopped manually, or by an error of mlspec or the machine: it is supervised no longer."""
        live = self.store.read()
        if live is not None and live.other == self.candidate:
            reason = "manually" if isinstance(error, KeyboardInterrupt) else type(error).__name__
            self._back(live, f"the rollout was stopped ({reason})")
            self._left(f"all traffic is on version {live.version} again")
        elif live is not None and live.version == self.candidate:
            self._left(f"version {live.version} receives all traffic already, and remains live")

    def _left(self, state: str) -> None:
        self.say(f"stopped: {state}")
        stopped_with(state)

    def _reason(self, verdict: Verdict) -> str:
        if verdict.ruling == "bad":
            return verdict.why
        return f"only {verdict.why} in {self.plan.patience}"

    def _failed(self, live: str, why: str, help: str) -> StageError:
        return StageError(
            f"version {self.candidate} was rolled back, all traffic is on version {live} again: {why}", help=help
        )


_NEAR = 0.01
"""Percentage points by which two weights of the same step may differ."""
_HURRY = 60.0
"""Seconds after which a rehearsal no longer waits for requests."""
_AGAIN = "read the events (mlspec why), fix the model or the code, then: mlspec apply"
_FEW = "lower deploy.rollout.min_requests, raise patience, or set `too_few: promote`; then: mlspec apply"


def without_the_mix(plan: Rollout) -> Rollout:
    """The plan without the bound that compares the two versions."""
    bounds = plan.abort_if
    return plan.model_copy(update={"abort_if": bounds.model_copy(update={"psi": None})}) if bounds else plan


def remaining(percents: tuple[float, ...], reached: float) -> tuple[float, ...]:
    """The steps that are left where `reached` percent are reached: that step is judged again."""
    return tuple(percent for percent in percents if percent >= reached - _NEAR)
