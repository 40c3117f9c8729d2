"""How often an alarm may be false: `1 per 90d` and the traffic, as a mean number of rows between two false alarms."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.sections.monitor_drift import DAY, Drift
from mlspec.spec.types import rate_parts


@dataclass(frozen=True)
class Budget:
    """A mean number of rows between false alarms, on data that does not change by more than the tolerance."""

    rows: float
    rows_per_day: float

    @classmethod
    def of(cls, alarms: int, days: float, rows_per_day: float) -> Budget:
        """`alarms` false alarms in `days` at most, at a traffic of `rows_per_day`."""
        return cls(max(1.0, days * rows_per_day / alarms), rows_per_day)

    def days(self, rows: float) -> float:
        """How long `rows` take at the traffic."""
        return rows / self.rows_per_day

    def words(self) -> str:
        """The guarantee in words."""
        return (
            f"on data that does not change, an alarm is raised at most once in {self.rows:,.0f} rows on average "
            f"({duration_words(self.days(self.rows))} at {self.rows_per_day:,.0f} rows a day)"
        )


def drift_budget(options: Drift) -> Budget:
    """The budget of false alarms at the declared traffic."""
    alarms, seconds = rate_parts(options.false_alarms)
    return Budget.of(alarms, seconds / DAY, options.rows_per_day())


_UNITS = (("day", 1.0), ("hour", 24.0), ("minute", 1440.0))


def duration_words(days: float) -> str:
    """A duration with its largest unit: `2 days`, `5 hours`."""
    name, factor = next((u for u in _UNITS if days * u[1] >= 1), _UNITS[-1])
    number = f"{days * factor:.2g}" if days * factor < 10 else f"{days * factor:,.0f}"
    return f"{number} {name}{'' if number == '1' else 's'}"
