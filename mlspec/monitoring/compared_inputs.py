"""Of which versions the inputs are compared with those of training, and why those of others are not."""

from __future__ import annotations

from typing import Final

from mlspec.monitoring.drift_state import PULL_SETTLE, SETTLE, DriftLook
from mlspec.monitoring.panel_data import RunQuery, ViewedRange

WAITING: Final = (
    f"predictions are compared {SETTLE.seconds} seconds after their time, pulled ones "
    f"{PULL_SETTLE.seconds // 60} minutes after it"
)
_FIRST: Final = (
    "SELECT version, MIN(time) AS first FROM predictions WHERE outcome = 'success' AND time >= ? AND time < ? "
    "GROUP BY version"
)


def not_compared(look: DriftLook | None, run: RunQuery, viewed: ViewedRange) -> dict[str, str]:
    """Why the inputs of a version in the viewed range are compared with nothing; `look` is None without drift."""
    rows = run(_FIRST, [viewed.since, viewed.until]).to_pylist()
    if look is None:
        return {str(row["version"]): "`monitor.drift` is not set" for row in rows}
    return {str(row["version"]): WAITING for row in rows if look.until and row["first"] >= look.until}
