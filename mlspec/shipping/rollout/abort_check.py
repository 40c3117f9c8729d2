"""Metrics of the new version against the bounds of the spec, and the metric that decided. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from mlspec.sections.deploy import Rollout
from mlspec.shipping.rollout.traffic_metrics import VersionMetrics
from mlspec.spec.types import holds

Ruling = Literal["good", "bad", "too few"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, and the metric that it is based on."""

    ruling: Ruling
    why: str


def judge(plan: Rollout, new: VersionMetrics, old: VersionMetrics) -> Verdict:
    """Whether the new version may have more traffic. `old` is the live version over the same time.

    A bound is checked on at least `plan.min_requests` requests; with fewer, a step is not good yet. Failures are the
    exception: once so many requests have failed that even flawless ones up to that number could not bring the rate
    below its bound, the step is bad at once.
    """
    unsure = "" if new.calls >= plan.min_requests else f"{new.calls} of {plan.min_requests} requests"
    for name, bound in plan.abort_if.given().items() if plan.abort_if else ():
        value, sample = _value(name, new, old), _sample(name, new, old)
        enough = value is not None and sample >= plan.min_requests
        if not enough:
            value = _at_best(name, new, plan.min_requests)
            unsure = unsure or f"{min(sample, plan.min_requests)} of {plan.min_requests} requests to judge {name} by"
        if value is not None and holds(bound, value):
            return Verdict("bad", _sentence(name, value, bound, new, at_best=not enough))
    return Verdict("too few", unsure) if unsure else Verdict("good", ", ".join(_shown(plan, new, old)))


def stability(new: Mapping[str, int], old: Mapping[str, int]) -> float:
    """The population stability index of two counts of labels: 0 where their shares are the same, above 0.25 a shift.

    Sum over the labels of (p - q) ln(p / q), each count raised by one half so that an unseen label is finite
    (B. Yurdakul and J. Naranjo, Statistical properties of the population stability index, 2020).
    """
    names = {*new, *old}
    p, q = (_shares(counts, names) for counts in (new, old))
    return sum((p[name] - q[name]) * math.log(p[name] / q[name]) for name in names)


def _shares(counts: Mapping[str, int], names: set[str]) -> dict[str, float]:
    total = sum(counts.values()) + 0.5 * len(names)
    return {name: (counts.get(name, 0) + 0.5) / total for name in names}


def _value(name: str, new: VersionMetrics, old: VersionMetrics) -> float | None:
    """The value of a metric; None where nothing was measured yet."""
    requests = new.calls + new.throttles
    match name:
        case "error_rate":
            return new.errors / new.calls if new.calls else None
        case "throttle_rate":
            return new.throttles / requests if requests else None
        case "psi":
            return stability(new.labels, old.labels) if new.labels and old.labels else None
        case _:
            value: float | None = getattr(new, name)
            return value


def _sample(name: str, new: VersionMetrics, old: VersionMetrics) -> int:
    """The number of requests behind a metric; of psi, that of the version with fewer."""
    if name == "throttle_rate":
        return new.calls + new.throttles
    if name == "psi":
        return min(sum(new.labels.values()), sum(old.labels.values()))
    if name.endswith("_ms") and getattr(new, name) is None:
        return 0
    return new.calls


def _at_best(name: str, new: VersionMetrics, needed: int) -> float | None:
    """The rate if all requests still to come succeed; None for a metric that needs the whole sample."""
    failed = {"error_rate": new.errors, "throttle_rate": new.throttles}.get(name)
    return None if failed is None else failed / needed


def _sentence(name: str, value: float, bound: str, new: VersionMetrics, *, at_best: bool) -> str:
    if at_best:
        failed = new.errors if name == "error_rate" else new.throttles
        requests = new.calls + new.throttles
        return f"{name} will exceed its bound: {failed} of {requests} requests failed (abort_if: `{bound}`)"
    if name in ("error_rate", "throttle_rate"):
        failed, of = (new.errors, new.calls) if name == "error_rate" else (new.throttles, new.calls + new.throttles)
        return f"{name} is {value:.3g} ({failed} of {of} requests; abort_if: `{bound}`)"
    return f"{name} is {value:.4g} over {new.calls} requests (abort_if: `{bound}`)"


def _shown(plan: Rollout, new: VersionMetrics, old: VersionMetrics) -> Iterator[str]:
    """The metrics of a good step, for a person."""
    yield f"{new.calls} requests"
    yield f"{new.errors} error{'' if new.errors == 1 else 's'}"
    if new.p95_ms is not None:
        yield f"p95 {new.p95_ms:.3g} ms"
    if plan.abort_if and plan.abort_if.psi and (value := _value("psi", new, old)) is not None:
        yield f"psi {value:.3g}"
