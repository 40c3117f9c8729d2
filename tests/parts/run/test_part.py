"""The section `run`: stages that do not exist, and time limits inside each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts.targets import LAMBDA, codes


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ("{train: {timeout: 2h}}", []),
        ("{export: {timeout: 2h}}", []),
        ("{trian: {timeout: 2h}}", ["unknown-stage"]),
        ("{train: {retries: 11}}", ["out-of-range"]),
    ],
)
def test_findings(resources: str, expected: list[str], tmp_path: Path) -> None:
    assert codes(tmp_path, f"train: {{}}\nrun: {{resources: {resources}}}\n") == expected


@pytest.mark.parametrize(
    ("max_time", "run", "short"),
    [
        ("2h", "{timeout: 2h}", True),
        ("2h", "{timeout: 3h}", False),
        ("2h", "{timeout: 1h, resources: {train: {timeout: 3h}}}", False),
        ("2h", "{timeout: 3h, resources: {train: {timeout: 1h}}}", True),
        ("2h", "{resources: {evaluate: {timeout: 1h}}}", False),
        ("off", "{timeout: 1h}", False),
    ],
)
def test_the_limit_of_the_stage_is_longer_than_the_training(
    max_time: str, run: str, short: bool, tmp_path: Path
) -> None:
    result = codes(tmp_path, f"train: {{max_time: {max_time}}}\nrun: {run}\n")
    assert result == ["time-limit-too-short?"] * short


@pytest.mark.parametrize(("limit", "short"), [("90m", True), ("91m", False)])
def test_the_limit_of_the_stage_is_longer_than_the_rollout(limit: str, short: bool, tmp_path: Path) -> None:
    options = 'rollout: {strategy: canary, steps: [10, 50, 100], abort_if: {error_rate: "> 0.05"}}'
    deploy = LAMBDA.replace("{lambda: {}}", f"{{lambda: {{}}, {options}}}")
    result = codes(tmp_path, f"{deploy}run: {{resources: {{deploy: {{timeout: {limit}}}}}}}\n")
    assert [code for code in result if code.startswith("time-limit")] == ["time-limit-too-short?"] * short
