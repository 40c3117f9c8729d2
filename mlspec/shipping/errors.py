"""What AWS answers when it refuses, as a sentence and the next step. Nothing else in mlspec reads AWS's error codes."""

from __future__ import annotations

from typing import Any


def code_of(error: Any) -> str:
    """The error code of a botocore ClientError: `ResourceNotFoundException`."""
    return str(error.response.get("Error", {}).get("Code", ""))
