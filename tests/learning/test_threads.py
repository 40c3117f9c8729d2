"""torch computes with a thread for each core that the process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.threads import VARIABLES, cores, limit_threads  # noqa: E402


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def machine(root: Path, siblings: list[str]) -> Path:
    """A /sys with these processors."""
    for processor, names in enumerate(siblings):
        folder = root / "devices" / "system" / "cpu" / f"cpu{processor}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{names}\n")
    return root


HYPERTHREADS = ["0,4", "1,5", "2,6", "3,7"] * 2


@pytest.mark.parametrize(
    ("siblings", "allowed", "limit", "expected"),
    [
        (HYPERTHREADS, range(8), "max 100000", 4),
        (HYPERTHREADS, [0, 4, 1], "max 100000", 2),
        (HYPERTHREADS, range(8), "250000 100000", 3),
        (HYPERTHREADS, range(8), "50000 100000", 1),
        (["0", "1"], range(2), "800000 100000", 2),
    ],
    ids=["hyperthreads", "affinity", "container", "half a processor", "fewer than allowed"],
)
def test_threads_follow_cores_affinity_and_container(
    siblings: list[str], allowed: list[int], limit: str, expected: int, tmp_path: Path
) -> None:
    system = machine(tmp_path, siblings)
    (system / "fs" / "cgroup").mkdir(parents=True)
    (system / "fs" / "cgroup" / "cpu.max").write_text(f"{limit}\n")
    assert cores(system, frozenset(allowed)) == expected


def test_the_limit_of_an_older_kernel_is_read(tmp_path: Path) -> None:
    group = machine(tmp_path, HYPERTHREADS) / "fs" / "cgroup" / "cpu"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("200000\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert cores(tmp_path, frozenset(range(8))) == 2
    (group / "cpu.cfs_quota_us").write_text("-1\n")
    assert cores(tmp_path, frozenset(range(8))) == 4


def test_a_system_that_reports_nothing_has_a_core_for_each_processor(tmp_path: Path) -> None:
    assert cores(tmp_path, frozenset({3, 5, 6})) == 3


def test_processes_share_the_cores() -> None:
    torch.set_num_threads(64)
    limit_threads(processes=1000)
    assert torch.get_num_threads() == 1


def test_a_number_of_the_user_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "3")
    torch.set_num_threads(3)
    limit_threads(processes=1000)
    assert torch.get_num_threads() == 3


def test_the_limit_of_a_nested_group_counts(tmp_path: Path) -> None:
    system = machine(tmp_path / "sys", HYPERTHREADS)
    service = system / "fs" / "cgroup" / "user.slice" / "train.service"
    service.mkdir(parents=True)
    (service / "cpu.max").write_text("200000 100000\n")
    groups = tmp_path / "groups"
    groups.write_text("0::/user.slice/train.service\n")
    assert cores(system, frozenset(range(8)), groups) == 2
