"""A distance between two sets of counts, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShiftMeasure:
    """A distance: its value, what it is expected to be without any shift, and the p-value where there is one."""

    value: float
    noise: float
    p: float | None = None

    @property
    def net(self) -> float:
        """The value above the noise, at least 0."""
        return max(0.0, self.value - self.noise)
