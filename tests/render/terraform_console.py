"""Expressions of HCL, as Terraform computes them."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path


def evaluated(terraform: str, folder: Path, expression: str) -> object:
    """The value of an expression, as Terraform computes it."""
    (folder / "main.tf").write_text(f'locals {{\n  account_id = "1"\n\n  value = {expression}\n}}\n')
    done = subprocess.run(
        [terraform, "console"],
        cwd=folder,
        input="base64encode(jsonencode(local.value))\n",
        capture_output=True,
        text=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(base64.b64decode(json.loads(done.stdout)))
