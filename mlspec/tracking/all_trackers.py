"""All trackers by their key in the section `track`. To add one: its options there, its module here, and one entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TRACKERS: Final[Mapping[str, str]] = {
    "wandb": "mlspec.tracking.wandb_tracker:start",
    "mlflow": "mlspec.tracking.mlflow_tracker:start",
    "dagshub": "mlspec.tracking.mlflow_tracker:start",
}
"""Key to the import path of a `StartTracker`: its packages are only imported if the spec has the key."""
UPLOADS: Final[Mapping[str, str]] = {
    "mlflow": "mlspec.tracking.mlflow_results:upload_all",
    "dagshub": "mlspec.tracking.mlflow_results:upload_all",
}
"""Key to the import path of what the stage `track` calls, for trackers that show what later stages made."""
