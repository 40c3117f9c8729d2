"""What can be wrong with a bundle or a request."""

from __future__ import annotations


class BundleError(Exception):
    """The bundle is damaged or of another version."""


class BadRow(ValueError):  # noqa: N818 - the row is what is bad
    """A row that does not fit the signature: its position, the input at fault, and what is wrong."""

    def __init__(self, index: int, input: str, message: str) -> None:
        super().__init__(f"row {index}: {input}: {message}" if input else f"row {index}: {message}")
        self.index = index
        self.input = input
        self.message = message


class PrepareError(BadRow):
    """A row on which the project's own preprocessing fails, or for which it returns what no model takes."""

    def __init__(self, index: int, message: str, help: str = "") -> None:
        super().__init__(index, "", message)
        self.help = help
