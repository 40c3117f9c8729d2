"""AWS's Lambda Runtime Interface Emulator, where it is on this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

VARIABLE: Final = "MLSPEC_LAMBDA_EMULATOR"
PATH: Final = "/2015-03-31/functions/function/invocations"
"""Where it takes an event."""
PORT: Final = 8080
HELP: Final = (
    "get aws-lambda-rie from https://github.com/aws/aws-lambda-runtime-interface-emulator/releases and put it on PATH, "
    f"or set {VARIABLE} to where it lies"
)


def find() -> Path | None:
    """Its binary."""
    found = os.environ.get(VARIABLE) or shutil.which("aws-lambda-rie")
    return Path(found).resolve() if found and Path(found).is_file() else None
