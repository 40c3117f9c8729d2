"""A world of its own for a rollout: an alias in memory, a clock that only waiting moves, and callers by its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlspec.aws.action import Action, Execution
from mlspec.aws.alias import Alias, AliasProvider
from mlspec.aws.known_after_apply import Outputs
from mlspec.errors import StageError
from mlspec.sections.deploy import Rollout
from mlspec.shipping.rollout.executor import RolloutExecutor
from mlspec.shipping.rollout.rollout_plan import RolloutPlan, make_rollout_plan
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionMetrics
from tests.aws.functions import OFFLINE

START = 1_000_000.0


class Died(BaseException):
    """The process is gone: nothing after it is carried out."""


@dataclass
class Behaviour:
    """How a version answers."""

    error_rate: float = 0.0
    p95_ms: float = 20.0
    labels: Mapping[str, float] = field(default_factory=lambda: {"no": 0.5, "yes": 0.5})


@dataclass
class World:
    """`rate` calls come each second. `deadline` writes of the alias are left before the process dies right after one."""

    alias: Alias | None = None
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    rate: float = 10.0
    deadline: int = -1
    time: float = START
    wrote: list[tuple[str, str | None, float]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    counted: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    dead: bool = False

    def read_alias(self) -> Alias | None:
        self._alive()
        return self.alias

    def write(self, alias: Alias) -> Alias:
        self._alive()
        if alias.revision != (self.alias.revision if self.alias else ""):
            raise StageError("somebody else has moved the alias")
        self.alias = replace(alias, revision=str(len(self.wrote) + 1))
        self.wrote.append((alias.version, alias.other, alias.weight))
        self.deadline -= 1
        if self.deadline == 0:
            self.dead = True
            raise Died
        return self.alias

    def add(self, kind: str, version: str, **known: Any) -> None:
        self._alive()
        self.events.append((kind, version, known))

    def _alive(self) -> None:
        if self.dead:
            raise Died

    def wait(self, seconds: float) -> None:
        """Time passes, and calls come."""
        assert self.alias is not None
        self.time += seconds
        shares = {self.alias.version: 1 - self.alias.weight}
        if self.alias.other:
            shares[self.alias.other] = self.alias.weight
        for version, share in shares.items():
            self.counted.setdefault(version, []).append((self.time, self.rate * seconds * share))

    def read(self, version: str, since: float) -> VersionMetrics:
        self._alive()
        calls = round(sum(count for at, count in self.counted.get(version, []) if at > since))
        how = self.behaviours.get(version, Behaviour())
        p95 = how.p95_ms if calls else None
        labels = {name: round(calls * share) for name, share in how.labels.items()}
        return VersionMetrics(calls, round(calls * how.error_rate), 0, p95, p95, p95, labels)

    def invoke(self, version: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        raise AssertionError("a course calls its own check")

    def apply(self, action: Action) -> Outputs:
        """What the provider of the alias does."""
        return {"revision": self.write(Alias.from_response(action.arguments)).revision}

    def course(self, plan: Rollout, candidate: str = "2", check: Callable[[str], str] | None = None) -> RolloutExecutor:
        tools = TrafficMetrics(self, self, lambda: self.time, self.wait)
        planned = rollout_plan(plan, self.alias, candidate)
        execution = Execution({"alias": self}, lambda line: None)
        return RolloutExecutor(
            planned, execution, self.read_alias, tools, self, check or (lambda version: "3 rows"), self.lines.append
        )

    @property
    def ended(self) -> tuple[str, str | None]:
        """The two versions of the alias."""
        assert self.alias is not None
        return self.alias.version, self.alias.other

    @property
    def split(self) -> bool:
        return self.alias is not None and self.alias.other is not None


def rollout_plan(options: Rollout, live: Alias | None, candidate: str) -> RolloutPlan:
    return make_rollout_plan(options, AliasProvider(OFFLINE, "cola"), "live", live, candidate)


def plan(strategy: str = "canary", **more: Any) -> Rollout:
    given = {"strategy": strategy, "interval": "5m", "abort_if": {"error_rate": "> 0.01", "p95_ms": "> 300"}, **more}
    return Rollout.model_validate(given)
