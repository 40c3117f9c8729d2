"""The least limit of all control groups that contain the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.runtime.cpu_quota import cpu_quota


def limited(folder: Path, quota: str) -> None:
    """A group of version 2 with this limit."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(f"{quota} 100000\n")


def limited_v1(folder: Path, quota: str) -> None:
    """A group of version 1 with this limit."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")


def listed(tmp_path: Path, *lines: str) -> Path:
    """A /proc/self/cgroup."""
    path = tmp_path / "groups"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("service", "slice_", "root", "expected"),
    [
        ("150000", "max", None, 1.5),
        ("400000", "200000", None, 2.0),
        ("max", "max", "50000", 0.5),
        ("max", "max", None, None),
        ("nonsense", "300000", None, 3.0),
    ],
    ids=["own", "above", "root", "none", "unreadable"],
)
def test_the_least_limit_from_the_own_group_to_the_root(
    service: str, slice_: str, root: str | None, expected: float | None, tmp_path: Path
) -> None:
    mount = tmp_path / "cgroup"
    limited(mount / "user.slice" / "train.service", service)
    limited(mount / "user.slice", slice_)
    if root is not None:
        limited(mount, root)
    limited(mount / "user.slice" / "other.service", "10000")
    groups = listed(tmp_path, "0::/user.slice/train.service")
    assert cpu_quota(mount, groups) == expected


@pytest.mark.parametrize(("controllers", "folder"), [("cpu,cpuacct", "cpu,cpuacct"), ("cpu,cpuacct", "cpu")])
def test_nested_groups_of_version_1(controllers: str, folder: str, tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    limited_v1(mount / folder, "-1")
    limited_v1(mount / folder / "docker", "300000")
    limited_v1(mount / folder / "docker" / "c0ffee", "250000")
    limited_v1(mount / "memory" / "docker", "10000")
    groups = listed(tmp_path, "4:memory:/docker/c0ffee", f"1:{controllers}:/docker/c0ffee", "0::/")
    assert cpu_quota(mount, groups) == 2.5


def test_a_container_with_the_path_of_the_host_reads_its_own_root(tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    limited_v1(mount / "cpu", "200000")
    assert cpu_quota(mount, listed(tmp_path, "1:cpu,cpuacct:/docker/c0ffee")) == 2.0


def test_a_hybrid_hierarchy(tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    limited(mount / "unified" / "job", "700000")
    assert cpu_quota(mount, listed(tmp_path, "1:memory:/job", "0::/job")) == 7.0


def test_a_path_out_of_the_namespace_is_not_followed(tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    limited(mount, "max")
    limited(tmp_path / "elsewhere", "10000")
    assert cpu_quota(mount, listed(tmp_path, "0::/../elsewhere")) is None


def test_a_system_without_control_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "cgroup", tmp_path / "groups") is None
    assert cpu_quota(tmp_path / "cgroup", listed(tmp_path, "", "nonsense", "0::/gone")) is None
