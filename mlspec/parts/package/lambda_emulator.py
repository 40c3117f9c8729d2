"""AWS's Lambda Runtime Interface Emulator, if it is installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

VARIABLE: Final = "MLSPEC_LAMBDA_EMULATOR"
PATH: Final = "/2015-03-31/functions/function/invocations"
"""The path that accepts an event."""
PORT: Final = 8080
HELP: Final = (
    "get aws-lambda-rie from https://github.com/aws/aws-lambda-runtime-interface-emulator/releases and put it on PATH, "
    f"or set {VARIABLE} to its path"
)


def find() -> Path | None:
    """Its program; None where it is not installed."""
    path = os.environ.get(VARIABLE) or shutil.which("aws-lambda-rie")
    return Path(path).resolve() if path and Path(path).is_file() else None
