"""Stops a stage's process when its parent exits, so that a killed apply leaves no process running. Linux only."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Request SIGTERM when the parent exits (prctl(2), PR_SET_PDEATHSIG). No effect on other systems."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
