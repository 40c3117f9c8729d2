"""The number of CPU cores that this process may use, which in a container is less than that of the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mlspec.runtime.cpu_quota import GROUPS, MOUNT, cpu_quota

_MEMORY_OF_A_CORE = 1769
"""Memory in MB at which a Lambda function has one vCPU (docs.aws.amazon.com/lambda, configuration-memory)."""


def cores(root: Path = MOUNT, environment: Mapping[str, str] = os.environ, groups: Path = GROUPS) -> int:
    """The number of cores, at least 1: the CPU affinity, limited by the cgroup quota or Lambda's memory."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [share for share in (cpu_quota(root, groups), _lambda(environment)) if share]
    return max(1, min([affinity, *(int(share + 0.5) for share in shares)]))


def _lambda(environment: Mapping[str, str]) -> float | None:
    memory = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return int(memory) / _MEMORY_OF_A_CORE if memory.isdigit() and int(memory) else None
