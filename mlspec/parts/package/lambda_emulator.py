"""AWS's Lambda Runtime Interface Emulator, where it is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlspec.stage_context import LAMBDA_EMULATOR, lambda_emulator

PATH: Final = "/2015-03-31/functions/function/invocations"
"""Where it takes an event."""
PORT: Final = 8080
HELP: Final = (
    "get aws-lambda-rie from https://github.com/aws/aws-lambda-runtime-interface-emulator/releases and put it on PATH, "
    f"or set {LAMBDA_EMULATOR} to where it lies"
)


def find() -> Path | None:
    """Its binary."""
    return lambda_emulator()
