"""Another library in a Python environment of its own: arrays in, numbers out."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import missing

_HEAD = "import io, json, sys\nimport numpy as np\ngiven = np.load(io.BytesIO(sys.stdin.buffer.read()))\n"
_QUIET = {"NML_DISABLE_USAGE_LOGGING": "1", "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}


def calculated(variable: str, name: str, code: str, arrays: Mapping[str, np.ndarray]) -> Any:
    """What `code` assigns to `result`, from `given`: the arrays. The environment variable names the environment."""
    folder = os.environ.get(variable, "")
    python = Path(folder) / "bin" / "python"
    if not folder or not python.exists():
        missing(f"{name} in an environment of its own ({variable})")
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    done = subprocess.run(
        [str(python), "-c", f"{_HEAD}{code}\nprint(json.dumps(result))"],
        input=content.getvalue(),
        capture_output=True,
        env=os.environ | _QUIET,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    return json.loads(done.stdout.splitlines()[-1])
