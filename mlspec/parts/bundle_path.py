"""The folder of the exported model."""

from __future__ import annotations

from typing import Final

BUNDLE: Final = "artifacts/bundle"
