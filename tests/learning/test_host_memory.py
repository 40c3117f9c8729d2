"""A batch that the memory of a machine would not hold is not tried."""

from __future__ import annotations

import mmap
from threading import Event

from mlspec.learning.host_memory import HostMemory, resident


class Memory:
    """The memory of a process, with an event for each reading."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.read = Event()

    def __call__(self) -> int:
        size = self.size
        self.read.set()
        return size

    def briefly(self, size: int) -> bool:
        """A trial that takes memory until it was read, and frees it."""
        before, self.size = self.size, size
        for _ in range(2):  # the first reading may have begun before
            self.read.clear()
            assert self.read.wait(60)
        self.size = before
        return True


def test_a_batch_is_predicted_from_what_smaller_ones_take_for_a_moment() -> None:
    memory = Memory(1000)
    host = HostMemory(10_000, memory)
    assert host.allows(10**9)
    assert host.measured(10, lambda: memory.briefly(2000))  # 100 bytes a row
    assert memory() == 1000
    assert host.allows(80)
    assert not host.allows(81)


def test_what_the_process_had_before_does_not_hide_a_trial() -> None:
    """Reading and preparing the data may have taken more than a batch."""
    memory = Memory(50_000)
    memory.size = 1000
    host = HostMemory(10_000, memory)
    assert not host.measured(10, lambda: not memory.briefly(3000))
    assert not host.allows(41)


def test_the_memory_of_this_process_falls_when_it_is_freed() -> None:
    size = 64 * 2**20
    before = resident()
    with mmap.mmap(-1, size) as memory:
        for at in range(0, size, 4096):
            memory[at] = 1
        assert resident() > before + size / 2
    assert resident() < before + size / 2
