"""The load test against a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.testing.request_load import LoadResult, measure_load
from tests.bundles import text_bundle


def test_latencies_and_errors_of_a_server(tmp_path: Path) -> None:
    bundle = text_bundle(tmp_path / "bundle")
    good, bad = json.dumps([{"sentence": "the cat sat"}]).encode(), b'[{"sentenze": "the cat sat"}]'
    result = measure_load(bundle, [good, good, good, bad], requests=40, clients=2)
    assert (len(result.seconds), len(result.errors)) == (30, 10)
    assert result.error_rate == 0.25
    assert 0 < result.percentile_ms(50) <= result.percentile_ms(95) < 30_000
    assert result.errors[0].startswith("status 4")
    assert "sentence" in result.errors[0]


def test_a_bundle_that_cannot_be_served_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"did not start: .*bundle"):
        measure_load(tmp_path / "bundle", [b"[]"], requests=4, clients=1)


def test_without_a_prediction_the_latency_is_infinite() -> None:
    assert LoadResult([], ["status 500: "]).percentile_ms(95) == float("inf")
