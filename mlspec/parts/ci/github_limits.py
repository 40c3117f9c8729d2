"""Limits of GitHub Actions: https://docs.github.com/actions/reference/limits."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 360
"""Minutes that a job may run."""
