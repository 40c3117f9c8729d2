"""Which target this process ships to: `apply --target NAME` hands its choice to the stages' processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from mlspec.aws.aws_target import AwsTarget, Kind
from mlspec.records.git_commit import first_commit_address, folder_address

VARIABLE: Final = "MLSPEC_TARGET"
"""The environment variable that the choice is handed on in."""
ROOT: Final = "MLSPEC_ROOT"
"""The environment variable with the project's folder, where a command runs in another one."""


def chosen() -> Kind:
    """The kind of target that this process ships to."""
    return "local" if os.environ.get(VARIABLE) == "local" else "aws"


def current(region: str) -> AwsTarget:
    """The target that this process ships to; of AWS, that region. Raises StageError where no rehearsal runs."""
    if chosen() == "local":
        from mlspec.shipping.rehearsal.rehearsal import here

        return here().target(region)
    root = Path(os.environ.get(ROOT) or ".")
    first = first_commit_address(root)
    return AwsTarget("aws", region, source=folder_address(root) or first, beginning=first)
