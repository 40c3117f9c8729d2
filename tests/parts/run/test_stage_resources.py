"""What each stage of the plan gets from the section `run`."""

from __future__ import annotations

from pathlib import Path

from mlspec.plan.stage import StageResources
from tests.parts.targets import build


def test_a_stage_has_its_own_values_and_otherwise_those_of_all_stages(tmp_path: Path) -> None:
    text = (
        "train: {}\nrun: {timeout: 10m, retries: 1, retry_delay: 5s, "
        "resources: {train: {timeout: 2h, retries: 0, cpus: 0.5, memory: 2GB, gpus: 1}}}\n"
    )
    actual = {stage.name: stage.resources for stage in build(tmp_path, text).plan.stages}
    assert actual["data"] == StageResources(timeout=600, retries=1, retry_delay=5)
    assert actual["train"] == StageResources(7200, 0, 5, 0.5, 2 * 10**9, 1)


def test_without_the_section_a_stage_has_no_limit(tmp_path: Path) -> None:
    assert {stage.resources for stage in build(tmp_path, "train: {}\n").plan.stages} == {StageResources()}
