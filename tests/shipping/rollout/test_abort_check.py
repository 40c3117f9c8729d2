"""Numbers against bounds."""

from __future__ import annotations

import math

import pytest

from mlspec.sections.deploy import Rollout
from mlspec.shipping.rollout.abort_check import judge, stability
from mlspec.shipping.rollout.traffic_metrics import VersionMetrics
from tests.shipping.rollout.world import plan

OLD = VersionMetrics(900, 0, 0, 10.0, 20.0, 30.0, {"no": 450, "yes": 450})


def ruled(new: VersionMetrics, old: VersionMetrics = OLD, **bounds: str) -> tuple[str, str]:
    result = judge(plan(abort_if=bounds, min_requests=100), new, old)
    return result.ruling, result.why


@pytest.mark.parametrize(
    ("new", "bounds", "ruling", "why"),
    [
        (VersionMetrics(100, 1), {"error_rate": "> 0.01"}, "good", "100 requests, 1 error"),
        (
            VersionMetrics(100, 2),
            {"error_rate": "> 0.01"},
            "bad",
            "error_rate is 0.02 (2 of 100 requests; abort_if: `> 0.01`)",
        ),
        (VersionMetrics(100, 1), {"error_rate": ">= 0.01"}, "bad", "error_rate is 0.01"),
        (VersionMetrics(99, 0), {"error_rate": "> 0.01"}, "too few", "99 of 100 requests"),
        (VersionMetrics(4, 2), {"error_rate": "> 0.01"}, "bad", "will exceed its bound: 2 of 4 requests failed"),
        (VersionMetrics(4, 1), {"error_rate": "> 0.01"}, "too few", "4 of 100 requests"),
        (VersionMetrics(0, 0), {"error_rate": "> 0.01"}, "too few", "0 of 100 requests"),
        (VersionMetrics(80, 0, 40), {"throttle_rate": "> 0.3"}, "bad", "throttle_rate is 0.333 (40 of 120 requests"),
        (VersionMetrics(0, 0, 50), {"throttle_rate": "> 0.3"}, "bad", "50 of 50 requests failed"),
        (VersionMetrics(100, 0, 0, 5.0, 300.1, 400.0), {"p95_ms": "> 300"}, "bad", "p95_ms is 300.1 over 100 requests"),
        (VersionMetrics(100, 0, 0, 5.0, 300.0, 400.0), {"p95_ms": "> 300"}, "good", "p95 300 ms"),
        (VersionMetrics(100, 0, 0, 5.0, 30.0, 400.0), {"p99_ms": "> 300"}, "bad", "p99_ms is 400"),
        (VersionMetrics(100, 0, 0, 50.0), {"p50_ms": "> 30"}, "bad", "p50_ms is 50"),
        (VersionMetrics(10, 0, 0, 5.0, 900.0, 900.0), {"p95_ms": "> 300"}, "too few", "10 of 100 requests"),
        (VersionMetrics(100, labels={"no": 98, "yes": 2}), {"psi": "> 0.25"}, "bad", "psi is"),
        (VersionMetrics(100, labels={"no": 52, "yes": 48}), {"psi": "> 0.25"}, "good", "psi 0.00"),
        (VersionMetrics(100), {"psi": "> 0.25"}, "too few", "0 of 100 requests to judge psi by"),
        (VersionMetrics(100), {"p95_ms": "> 300"}, "too few", "0 of 100 requests to judge p95_ms by"),
        (VersionMetrics(100, 3, labels={"no": 9}), {"psi": "> 1", "error_rate": "> 0.02"}, "bad", "error_rate is 0.03"),
        (VersionMetrics(100, 0), {}, "good", "100 requests, 0 errors"),
    ],
)
def test_the_ruling_and_its_number(new: VersionMetrics, bounds: dict[str, str], ruling: str, why: str) -> None:
    result = ruled(new, **bounds)
    assert result[0] == ruling, result
    assert why in result[1]


def test_an_old_version_with_few_calls_says_nothing_of_the_mix() -> None:
    old = VersionMetrics(20, labels={"no": 20})
    result = ruled(VersionMetrics(100, labels={"yes": 100}), old, psi="> 0.25")
    assert result == ("too few", "20 of 100 requests to judge psi by")


def test_without_bounds_only_the_number_of_calls_counts() -> None:
    assert judge(Rollout(), VersionMetrics(100, 100), OLD).ruling == "good"


def test_the_index_is_that_of_its_definition() -> None:
    assert stability({"a": 10, "b": 30}, {"a": 10, "b": 30}) == 0
    p, q = 10.5 / 41, 30.5 / 41
    assert stability({"a": 10, "b": 30}, {"a": 30, "b": 10}) == pytest.approx(2 * (q - p) * math.log(q / p))
    assert math.isfinite(stability({"a": 40}, {"b": 40}))
