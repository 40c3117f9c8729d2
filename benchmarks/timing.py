"""Whole processes, timed side by side: interleaved, so that a busy machine is busy for all of them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# An installed package has its bytecode beside it; a checkout gets it here, on the first, uncounted round.
WARM = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Contender:
    """A command; `prepare` makes a fresh folder for each run, outside the time that is measured."""

    command: Sequence[str]
    prepare: Callable[[], Path]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """Seconds from start to end, and the most memory that the process held, in MiB."""

    seconds: float
    memory: float


def run(contender: Contender) -> Cost:
    folder = contender.prepare()
    start = time.perf_counter()
    process = subprocess.Popen(
        contender.command, cwd=folder, env=WARM | dict(contender.environment), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(contender.command)} failed in {folder}")
    return Cost(seconds, usage.ru_maxrss / 1024)


def compare(contenders: Mapping[str, Contender], rounds: int) -> dict[str, Cost]:
    """The median cost of each, over `rounds` interleaved rounds after one to warm the caches."""
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            cost = run(contender)
            if number:
                costs[name].append(cost)
    return {
        name: Cost(statistics.median(c.seconds for c in row), statistics.median(c.memory for c in row))
        for name, row in costs.items()
    }
