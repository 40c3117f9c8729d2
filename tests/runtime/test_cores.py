from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlspec.runtime.cores import cores

HERE = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", HERE),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("800000 100000", min(8, HERE)),
        ("nonsense", HERE),
    ],
)
def test_the_quota_of_a_control_group(tmp_path: Path, limit: str, expected: int) -> None:
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert cores(tmp_path, {}) == expected


def test_the_quota_of_an_older_control_group(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("50000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cores(tmp_path, {}) == 1
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert cores(tmp_path, {}) == HERE


@pytest.mark.parametrize(
    ("memory", "expected"), [("512", 1), ("1769", 1), ("3538", min(2, HERE)), ("10240", min(6, HERE))]
)
def test_a_function_has_cores_by_its_memory(tmp_path: Path, memory: str, expected: int) -> None:
    assert cores(tmp_path, {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory}) == expected


def test_the_quota_of_a_nested_control_group(tmp_path: Path) -> None:
    (tmp_path / "cgroup" / "serve").mkdir(parents=True)
    (tmp_path / "cgroup" / "serve" / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "groups").write_text("0::/serve\n")
    assert cores(tmp_path / "cgroup", {}, tmp_path / "groups") == 1
