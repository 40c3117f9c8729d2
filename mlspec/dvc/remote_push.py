"""What DVC has cached to the DVC remote, with the run-cache: by it a fresh clone finds the outputs without dvc.lock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from mlspec.child_process import follow, last_lines
from mlspec.errors import StageError

LOG = ".mlspec/logs/dvc-push.log"


def push(root: Path, watch: Callable[[str], None]) -> None:
    """Push outputs, raw data and run-cache of the project `root`. Raises StageError where DVC fails."""
    command = [sys.executable, "-m", "dvc", "push", "--run-cache"]
    code = follow(command, root, root / LOG, watch)
    if code:
        lines = [line.removeprefix("ERROR: ") for line in last_lines(root / LOG, 40) if line.startswith("ERROR: ")]
        what = lines[0] if lines else f"dvc ended with exit code {code}"
        help = "check the credentials, then: dvc push --run-cache"
        raise StageError(f"cannot push to the DVC remote: {what}", help=help)
