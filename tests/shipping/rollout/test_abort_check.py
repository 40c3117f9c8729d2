"""Numbers against bounds."""

from __future__ import annotations

import math

import pytest

from mlspec.sections.deploy import Rollout
from mlspec.shipping.rollout.abort_check import judge, stability
from mlspec.shipping.rollout.traffic_metrics import Measured
from tests.shipping.rollout.world import plan

OLD = Measured(900, 0, 0, 10.0, 20.0, 30.0, {"no": 450, "yes": 450})


def ruled(new: Measured, old: Measured = OLD, **bounds: str) -> tuple[str, str]:
    found = judge(plan(abort_if=bounds, min_requests=100), new, old)
    return found.ruling, found.why


@pytest.mark.parametrize(
    ("new", "bounds", "ruling", "why"),
    [
        (Measured(100, 1), {"error_rate": "> 0.01"}, "good", "100 calls, 1 error"),
        (
            Measured(100, 2),
            {"error_rate": "> 0.01"},
            "bad",
            "error_rate is 0.02 (2 of 100 calls), and `> 0.01` ends it",
        ),
        (Measured(100, 1), {"error_rate": ">= 0.01"}, "bad", "error_rate is 0.01"),
        (Measured(99, 0), {"error_rate": "> 0.01"}, "too few", "99 of 100 calls"),
        (Measured(4, 2), {"error_rate": "> 0.01"}, "bad", "can no longer hold: 2 of 4 calls failed"),
        (Measured(4, 1), {"error_rate": "> 0.01"}, "too few", "4 of 100 calls"),
        (Measured(0, 0), {"error_rate": "> 0.01"}, "too few", "0 of 100 calls"),
        (Measured(80, 0, 40), {"throttle_rate": "> 0.3"}, "bad", "throttle_rate is 0.333 (40 of 120 calls)"),
        (Measured(0, 0, 50), {"throttle_rate": "> 0.3"}, "bad", "50 of 50 calls failed"),
        (Measured(100, 0, 0, 5.0, 300.1, 400.0), {"p95_ms": "> 300"}, "bad", "p95_ms is 300.1 over 100 calls"),
        (Measured(100, 0, 0, 5.0, 300.0, 400.0), {"p95_ms": "> 300"}, "good", "p95 300 ms"),
        (Measured(100, 0, 0, 5.0, 30.0, 400.0), {"p99_ms": "> 300"}, "bad", "p99_ms is 400"),
        (Measured(100, 0, 0, 50.0), {"p50_ms": "> 30"}, "bad", "p50_ms is 50"),
        (Measured(10, 0, 0, 5.0, 900.0, 900.0), {"p95_ms": "> 300"}, "too few", "10 of 100 calls"),
        (Measured(100, labels={"no": 98, "yes": 2}), {"psi": "> 0.25"}, "bad", "psi is"),
        (Measured(100, labels={"no": 52, "yes": 48}), {"psi": "> 0.25"}, "good", "psi 0.00"),
        (Measured(100), {"psi": "> 0.25"}, "too few", "0 of 100 calls to judge psi by"),
        (Measured(100), {"p95_ms": "> 300"}, "too few", "0 of 100 calls to judge p95_ms by"),
        (Measured(100, 3, labels={"no": 9}), {"psi": "> 1", "error_rate": "> 0.02"}, "bad", "error_rate is 0.03"),
        (Measured(100, 0), {}, "good", "100 calls, 0 errors"),
    ],
)
def test_the_ruling_and_its_number(new: Measured, bounds: dict[str, str], ruling: str, why: str) -> None:
    found = ruled(new, **bounds)
    assert found[0] == ruling, found
    assert why in found[1]


def test_an_old_version_with_few_calls_says_nothing_of_the_mix() -> None:
    old = Measured(20, labels={"no": 20})
    found = ruled(Measured(100, labels={"yes": 100}), old, psi="> 0.25")
    assert found == ("too few", "20 of 100 calls to judge psi by")


def test_without_bounds_only_the_number_of_calls_counts() -> None:
    assert judge(Rollout(), Measured(100, 100), OLD).ruling == "good"


def test_the_index_is_that_of_its_definition() -> None:
    assert stability({"a": 10, "b": 30}, {"a": 10, "b": 30}) == 0
    p, q = 10.5 / 41, 30.5 / 41
    assert stability({"a": 10, "b": 30}, {"a": 30, "b": 10}) == pytest.approx(2 * (q - p) * math.log(q / p))
    assert math.isfinite(stability({"a": 40}, {"b": 40}))
