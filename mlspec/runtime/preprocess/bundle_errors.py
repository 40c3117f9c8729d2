"""Errors of a bundle and of rows."""

from __future__ import annotations

import sys


class BundleError(Exception):
    """The bundle is damaged or has an unsupported version."""


class BadRow(ValueError):  # noqa: N818 - the row is what is bad
    """A row that violates the signature: its index, the input, and the problem."""

    def __init__(self, index: int, input: str, message: str) -> None:
        super().__init__(f"row {index}: {input}: {message}" if input else f"row {index}: {message}")
        self.index = index
        self.input = input
        self.message = message

    def public(self) -> BadRow:
        """The error without internals, for the client."""
        return self


class PrepareError(BadRow):
    """A row on which the user's preprocessing class fails or returns an invalid result."""

    def __init__(self, index: int, message: str, help: str = "") -> None:
        super().__init__(index, "", message)
        self.help = help

    def public(self) -> BadRow:
        """The error without source code, which is written to the log."""
        sys.stderr.write(f"{self}\n")
        return BadRow(self.index, "", "the preprocessing failed on this row; see the server log")
