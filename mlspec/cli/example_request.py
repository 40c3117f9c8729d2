"""The command that requests a prediction of an example row, as `mlspec serve` and a rehearsal print it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from mlspec.job import write_text

FILE = ".mlspec/example.json"
LONGEST = 400
"""Characters of a row that is part of the command; a longer one is in a file."""


def example_request(url: str, row: Mapping[str, object], root: Path) -> str:
    """A curl command. A long row is written to FILE of the project, unless that cannot be written."""
    body = json.dumps(row, ensure_ascii=False)
    if len(body) > LONGEST:
        try:
            write_text(root / FILE, f"{json.dumps(row, indent=2, ensure_ascii=False)}\n")
            body = f"@{os.path.relpath(root / FILE)}"
        except OSError:
            pass  # the whole row works too
    return f"curl {url} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
