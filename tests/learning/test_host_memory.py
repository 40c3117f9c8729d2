"""A batch that the memory of a machine would not hold is not tried."""

from __future__ import annotations

from mlspec.learning.host_memory import HostMemory


def test_a_batch_is_predicted_from_smaller_ones() -> None:
    used = [1000]
    host = HostMemory(10_000, lambda: used[0])
    assert host.allows(10**9)
    used[0] = 2000
    host.measured(10)  # 100 bytes a row
    assert host.allows(80)
    assert not host.allows(81)


def test_a_machine_that_reports_nothing_allows_all() -> None:
    host = HostMemory(10_000, lambda: None)
    host.measured(10)
    assert host.allows(10**9)
