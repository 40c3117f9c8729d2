"""The number of CPU cores that this process may use, which in a container is less than that of the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_MEMORY_OF_A_CORE = 1769
"""Memory in MB at which a Lambda function has one vCPU (docs.aws.amazon.com/lambda, configuration-memory)."""


def cores(root: Path = Path("/sys/fs/cgroup"), environment: Mapping[str, str] = os.environ) -> int:
    """The number of cores, at least 1: the CPU affinity, limited by the cgroup quota (v1 or v2) or Lambda's memory."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [share for share in (_quota(root), _lambda(environment)) if share]
    return max(1, min([affinity, *(int(share + 0.5) for share in shares)]))


def _quota(root: Path) -> float | None:
    """The CPU quota of the cgroup in cores; None if it is unlimited."""
    try:
        if (root / "cpu.max").exists():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
        return int(quota) / int(period) if quota not in ("max", "-1") else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _lambda(environment: Mapping[str, str]) -> float | None:
    memory = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return int(memory) / _MEMORY_OF_A_CORE if memory.isdigit() and int(memory) else None
