"""The target that a command was given: whether it is the rehearsal, and what others need to know to mean the same."""

from __future__ import annotations

import os
from pathlib import Path

TARGET = "MLSPEC_TARGET"
"""What `shipping.target_choice` reads; named here as well, so that no command imports it that does not need it."""
FOLDER = "MLSPEC_LOCAL"
"""What `shipping.local` reads; named here as well, so that no command imports it that does not need it."""

ROOT = "MLSPEC_ROOT"
"""What `shipping.choice` reads; named here for the same reason."""


def rehearsing() -> bool:
    """Whether this process ships to the rehearsal."""
    return os.environ.get(TARGET) == "local"


def option() -> str:
    """What a command needs to speak of the same target, with a space before it; "" for an account."""
    return " --target local" if rehearsing() else ""


def aim(root: Path) -> None:
    """Let everything below this process find the project in `root`, and its rehearsal."""
    os.environ[ROOT] = str(root)
    if rehearsing():
        os.environ[FOLDER] = str(root / ".mlspec" / "local")
