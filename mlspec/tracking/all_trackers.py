"""All trackers by their key in the section `track`. To add one: its options there, its module here, and one entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TRACKERS: Final[Mapping[str, str]] = {
    "wandb": "mlspec.tracking.wandb_tracker:start",
}
"""Key to the import path of a `StartTracker`: its packages are only imported if the spec has the key."""
