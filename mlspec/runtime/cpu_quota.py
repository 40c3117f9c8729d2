"""How many processors a process may use at once by the limits of its control groups (Linux cgroups, v1 and v2).

A limit holds for all groups below, so the least one on the way from the root to the process's own group counts: systemd
and Kubernetes nest them, and inside a container the root is often the container's own group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

MOUNT: Final = Path("/sys/fs/cgroup")
GROUPS: Final = Path("/proc/self/cgroup")
"""Lists the groups of the process, a line `NUMBER:CONTROLLERS:PATH` for each hierarchy; v2 has no controllers."""


def cpu_quota(mount: Path = MOUNT, groups: Path = GROUPS) -> float | None:
    """The least limit in processors, such as 0.5; None if no group limits them."""
    limits = [limit for folder in _folders(mount, groups) if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def _folders(mount: Path, groups: Path) -> Iterator[Path]:
    """The folders of the process's groups and of all above them; the roots also where `groups` is not readable."""
    yield from (mount, mount / "unified", mount / "cpu", mount / "cpu,cpuacct")
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        names = controllers.split(",") if controllers else []
        if names and "cpu" not in names:
            continue
        below = PurePosixPath(path.lstrip("/"))
        if ".." in below.parts:  # outside of the namespace of the container
            continue
        roots = [mount / "cpu", mount / controllers] if names else [mount, mount / "unified"]
        for root in roots:
            yield from (root / part for part in (below, *below.parents))


def _limit(folder: Path) -> float | None:
    """The limit of one group; None if it has none."""
    for read in (_version2, _version1):
        try:
            quota, period = read(folder)
            return float(quota) / float(period) if float(quota) > 0 else None
        except (OSError, ValueError, ZeroDivisionError):  # no such file, or the word `max`
            continue
    return None


def _version2(folder: Path) -> tuple[str, str]:
    quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    return quota, period


def _version1(folder: Path) -> tuple[str, str]:
    quota, period = ((folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period"))
    return quota, period
