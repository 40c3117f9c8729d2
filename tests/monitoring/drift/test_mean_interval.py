from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlspec.monitoring.drift.mean_interval import radius

ORACLES = json.loads((Path(__file__).parents[1] / "oracle_values.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", ORACLES["mean_radius"]["cases"], ids=lambda c: str(c["level"]))
def test_the_radius_is_the_normal_mixture_of_expectation(case: dict[str, Any]) -> None:
    assert [radius(0.3, n, case["level"]) for n in case["rows"]] == pytest.approx(
        [0.3 * r for r in case["radius"]], rel=1e-9
    )
