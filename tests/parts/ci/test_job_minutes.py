"""How long the jobs of the workflows may take, and the limits of the spec that they cannot reach."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.parts.targets import IN_GIT, LAMBDA, codes, files

TRAIN = ".github/workflows/mlspec-train.yaml"


@pytest.mark.parametrize(
    ("train", "more", "minutes"),
    [
        ("{}", "", 120),
        ("{max_time: 3h}", "", 210),
        ("{max_time: 20h}", "", 360),
        ("{max_time: 3h}", "run: {timeout: 4h, resources: {data: {timeout: 10m}}}\n", 280),
        ("{max_time: 3h}", "run: {resources: {train: {timeout: 4h}}}\n", 270),
    ],
)
def test_a_job_lasts_as_long_as_its_training(train: str, more: str, minutes: int, tmp_path: Path) -> None:
    generated = files(tmp_path, f"train: {train}\nci: {{}}\n{more}")
    assert yaml.safe_load(generated[TRAIN])["jobs"]["train"]["timeout-minutes"] == minutes


@pytest.mark.parametrize(
    ("train", "ci", "run", "count"),
    [
        ("{}", "{}", "{timeout: 6h}", 0),
        ("{}", "{}", "{timeout: 7h}", 1),
        ("{max_time: 7h}", "{}", "{resources: {train: {timeout: 8h}}}", 2),
        ("{max_time: 2h}", "{github: {timeout: 90}}", "{}", 1),
        ("{max_time: 2h}", "{github: {timeout: 121}}", "{}", 0),
    ],
)
def test_limits_that_no_job_reaches(train: str, ci: str, run: str, count: int, tmp_path: Path) -> None:
    assert codes(tmp_path, f"train: {train}\nci: {ci}\nrun: {run}\n", IN_GIT) == ["time-limit-too-short?"] * count


@pytest.mark.parametrize(("interval", "short"), [("110m", False), ("111m", True)])
def test_a_rollout_that_the_release_cannot_wait_for(interval: str, short: bool, tmp_path: Path) -> None:
    steps = f'{{strategy: canary, steps: [10, 50, 100], interval: {interval}, abort_if: {{error_rate: "> 0.05"}}}}'
    deploy = LAMBDA.replace("{lambda: {}}", f"{{lambda: {{}}, rollout: {steps}}}")
    result = [code for code in codes(tmp_path, f"{deploy}ci: {{}}\n") if code.startswith("time-limit")]
    assert result == ["time-limit-too-short?"] * short
