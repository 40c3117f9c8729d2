"""How many threads torch computes with on a processor: one for each core that this process may use.

Hyperthreads share the units that multiply, and OpenMP does not know the limits of a container: with more threads than
cores each operator waits for the slowest.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

import torch

from mlspec.runtime.cpu_quota import GROUPS, MOUNT, cpu_quota

VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")
"""Variables with which a user sets the number of threads."""
SYSTEM: Final = Path("/sys")


def limit_threads(processes: int = 1) -> None:
    """Let torch use a thread for each core, shared by `processes` on this machine, unless the user set a number."""
    if any(os.environ.get(name) for name in VARIABLES):
        return
    number = max(1, cores() // max(1, processes))
    if number < torch.get_num_threads():
        torch.set_num_threads(number)


def cores(system: Path = SYSTEM, allowed: frozenset[int] | None = None, groups: Path = GROUPS) -> int:
    """The physical cores that this process may use: of its processors, within the limits of its control groups."""
    usable = _affinity() if allowed is None else allowed
    siblings = {_siblings(system, processor) for processor in usable}
    quota = cpu_quota(system / MOUNT.relative_to(SYSTEM), groups)
    return max(1, len(siblings) if quota is None else math.ceil(min(len(siblings), quota)))


def _affinity() -> frozenset[int]:
    try:
        return frozenset(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        return frozenset(range(os.cpu_count() or 1))


def _siblings(system: Path, processor: int) -> str:
    """The processors of the same core; the processor itself if the system does not report them."""
    path = system / "devices" / "system" / "cpu" / f"cpu{processor}" / "topology" / "thread_siblings_list"
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(processor)
