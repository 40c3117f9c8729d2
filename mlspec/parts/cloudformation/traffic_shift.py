"""What AWS CodeDeploy can do of a rollout, and a finding for what it cannot. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from mlspec.diagnostics import Finding, Location
from mlspec.sections.deploy import Rollout
from mlspec.spec.types import duration_seconds

_AT: Final = ("deploy", "rollout")
_MOST_MINUTES: Final = 2880
"""The longest interval of a deployment configuration."""
_PREDEFINED: Final = {
    ("TimeBasedCanary", 10, 5): "Canary10Percent5Minutes",
    ("TimeBasedCanary", 10, 10): "Canary10Percent10Minutes",
    ("TimeBasedCanary", 10, 15): "Canary10Percent15Minutes",
    ("TimeBasedCanary", 10, 30): "Canary10Percent30Minutes",
    ("TimeBasedLinear", 10, 1): "Linear10PercentEvery1Minute",
    ("TimeBasedLinear", 10, 2): "Linear10PercentEvery2Minutes",
    ("TimeBasedLinear", 10, 3): "Linear10PercentEvery3Minutes",
    ("TimeBasedLinear", 10, 10): "Linear10PercentEvery10Minutes",
}
"""Names of AWS's own configurations, without `CodeDeployDefault.Lambda`."""


class TrafficShift(NamedTuple):
    """How CodeDeploy moves the traffic: `percent` of it each `minutes`."""

    type: Literal["AllAtOnce", "TimeBasedCanary", "TimeBasedLinear"]
    percent: int = 100
    minutes: int = 0

    @property
    def predefined(self) -> str:
        """AWS's name of such a configuration; "" where it has none."""
        return "AllAtOnce" if self.type == "AllAtOnce" else _PREDEFINED.get((self.type, self.percent, self.minutes), "")

    @property
    def word(self) -> str:
        """The beginning of the names of its settings."""
        return "Canary" if self.type == "TimeBasedCanary" else "Linear"


def traffic_shift(rollout: Rollout | None) -> TrafficShift:
    """How CodeDeploy moves the traffic, of a rollout that it can do."""
    if rollout is None or rollout.strategy in ("all-at-once", "blue-green"):
        return TrafficShift("AllAtOnce")
    first, minutes = round(rollout.percents()[0]), duration_seconds(rollout.interval) // 60
    return TrafficShift("TimeBasedCanary" if rollout.strategy == "canary" else "TimeBasedLinear", first, minutes)


def check_rollout(rollout: Rollout | None, tool: str) -> Iterator[Finding]:
    """Everything in a rollout that CodeDeploy cannot do, where `tool` leaves the rollout to it."""
    if rollout is None:
        return
    yield from _unsupported_keys(rollout, tool)
    if rollout.strategy == "blue-green":
        message = "it cannot check a version that has no traffic yet"
        yield _finding("strategy", message, tool, "use `strategy: canary`")
    elif rollout.strategy == "all-at-once":
        yield from _unwatched(rollout, tool)
    else:
        yield from _steps(rollout, tool)
        yield from _interval(rollout, tool)


def _unsupported_keys(rollout: Rollout, tool: str) -> Iterator[Finding]:
    reasons = {
        "min_requests": "its steps end after a time, not after a number of requests",
        "patience": "it does not wait for requests",
        "too_few": "it does not count requests",
    }
    for key, reason in reasons.items():
        if key in rollout.model_fields_set:
            yield _finding(key, reason, tool, f"remove `{key}`")
    if rollout.abort_if is not None and rollout.abort_if.psi is not None:
        yield _finding("abort_if", "CloudWatch has no alarm on the PSI", tool, "remove `psi`", "psi")


def _unwatched(rollout: Rollout, tool: str) -> Iterator[Finding]:
    if rollout.abort_if is not None and rollout.abort_if.given():
        reason = "an all-at-once deployment ends before an alarm can fire"
        yield _finding("abort_if", reason, tool, "use `strategy: canary`", on="key")


def _steps(rollout: Rollout, tool: str) -> Iterator[Finding]:
    steps = rollout.percents()
    shown = ", ".join(f"{step:g}" for step in steps)
    equal = all(step == min(steps[0] * (number + 1), 100) for number, step in enumerate(steps))
    if any(step != round(step) for step in steps):
        yield _finding("steps", f"it knows whole percentages only, not {shown}", tool, "round them")
    elif rollout.strategy == "canary" and len(steps) != 2:
        reason = f"a canary deployment has one step before 100, not {shown}"
        yield _finding("steps", reason, tool, "use for example `steps: [10, 100]`")
    elif rollout.strategy == "linear" and (not equal or len(steps) < 2):
        yield _finding(
            "steps", f"a linear deployment has equal steps, not {shown}", tool, "use `steps: [25, 50, 75, 100]`"
        )


def _interval(rollout: Rollout, tool: str) -> Iterator[Finding]:
    minutes, rest = divmod(duration_seconds(rollout.interval), 60)
    if rest or not 1 <= minutes <= _MOST_MINUTES:
        reason = f"an interval is a whole number of minutes up to {_MOST_MINUTES}, not {rollout.interval}"
        yield _finding("interval", reason, tool, "use for example `interval: 5m`")


def _finding(key: str, reason: str, tool: str, fix: str, *more: str, on: Literal["key", "value"] = "value") -> Finding:
    at: Location = (*_AT, key, *more)
    message = f"with `iac: {tool}` AWS CodeDeploy shifts the traffic, and {reason}"
    help = f"{fix}; or use `iac: terraform` or leave `iac` out: then mlspec shifts the traffic"
    return Finding("rollout-not-in-codedeploy", at, message, help, on=on)
