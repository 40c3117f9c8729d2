"""What each stage of the plan gets from the section `run`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlspec.plan.stage import StageResources
from tests.parts.targets import build


def test_a_stage_has_its_own_values_and_otherwise_those_of_all_stages(tmp_path: Path) -> None:
    text = (
        "train: {}\nrun: {timeout: 10m, retries: 1, retry_delay: 5s, "
        "resources: {train: {timeout: 2h, retries: 0, cpus: 0.5, memory: 2GB, gpus: 1}}}\n"
    )
    resources = {stage.name: stage.resources for stage in build(tmp_path, text).plan.stages}
    assert replace(resources["data"], timeout_help="") == StageResources(timeout=600, retries=1, retry_delay=5)
    assert replace(resources["train"], timeout_help="") == StageResources(7200, 0, 5, 0.5, 2 * 10**9, 1)


@pytest.mark.parametrize(
    ("run", "stage", "expected"),
    [
        (
            "timeout: 10m",
            "data",
            "raise `run.timeout` (10m), the limit of each stage, or set `run.resources.data.timeout` for this one",
        ),
        (
            "timeout: 10m, resources: {data: {timeout: 1m}}",
            "data",
            "raise `run.resources.data.timeout` (1m), which replaces `run.timeout` (10m) for this stage",
        ),
        (
            "resources: {train: {timeout: 2h}}",
            "train",
            "raise `run.resources.train.timeout` (2h); a training resumes from its last checkpoint. "
            "`train.max_time` (1h) ends a training before it, with its best checkpoint",
        ),
        ("resources: {train: {timeout: 2h}}", "data", ""),
    ],
)
def test_after_its_time_limit_a_stage_names_every_key_that_limits_it(
    run: str, stage: str, expected: str, tmp_path: Path
) -> None:
    plan = build(tmp_path, f"train: {{max_time: 1h}}\nrun: {{{run}}}\n").plan
    assert {each.name: each.resources.timeout_help for each in plan.stages}[stage] == expected


def test_without_the_section_a_stage_has_no_limit(tmp_path: Path) -> None:
    assert {stage.resources for stage in build(tmp_path, "train: {}\n").plan.stages} == {StageResources()}
