"""Why a channel did not take a notification."""

from __future__ import annotations


class DeliveryError(Exception):
    """The message says why and contains no secret; `help` is the remedy, "" where there is none but to wait."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help
