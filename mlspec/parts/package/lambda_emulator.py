"""AWS's Lambda Runtime Interface Emulator, if it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlspec.stage_context import LAMBDA_EMULATOR, lambda_emulator

PATH: Final = "/2015-03-31/functions/function/invocations"
"""The path that accepts an event."""
PORT: Final = 8080
HELP: Final = (
    "get aws-lambda-rie from https://github.com/aws/aws-lambda-runtime-interface-emulator/releases and put it on PATH, "
    f"or set {LAMBDA_EMULATOR} to its path"
)


def find() -> Path | None:
    """Its program; None where it is not installed."""
    return lambda_emulator()
