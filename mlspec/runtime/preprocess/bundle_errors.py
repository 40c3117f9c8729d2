"""What can be wrong with a bundle or a request."""

from __future__ import annotations

import sys


class BundleError(Exception):
    """The bundle is damaged or of another version."""


class BadRow(ValueError):  # noqa: N818 - the row is what is bad
    """A row that does not fit the signature: its position, the input at fault, and what is wrong."""

    def __init__(self, index: int, input: str, message: str) -> None:
        super().__init__(f"row {index}: {input}: {message}" if input else f"row {index}: {message}")
        self.index = index
        self.input = input
        self.message = message

    def public(self) -> BadRow:
        """What a client may read of it."""
        return self


class PrepareError(BadRow):
    """A row on which the project's own preprocessing fails, or for which it returns what no model takes."""

    def __init__(self, index: int, message: str, help: str = "") -> None:
        super().__init__(index, "", message)
        self.help = help

    def public(self) -> BadRow:
        """No lines of code; these go to the log."""
        sys.stderr.write(f"{self}\n")
        return BadRow(self.index, "", "the model's preprocessing fails on this row; the server's log has the reason")
