"""Exact releases that the serving image installs, for each Python version that has wheels of all of them.

Every release here has a manylinux wheel for x86-64 and for arm64 (looked up in November 2026); should that ever stop
being so, `pip install --only-binary` in the generated Dockerfile fails at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ONNXRUNTIME: Final = "1.32.0"
"""The ONNX Runtime that serves: an exported graph must be one that it can read."""
NUMPY: Final[Mapping[str, str]] = {"3.11": "2.4.6", "3.12": "2.5.5", "3.13": "2.5.5", "3.14": "2.5.5"}
"""NumPy's release for each Python version that the pinned ONNX Runtime has wheels for."""
_RUNTIME: Final = {
    "flatbuffers": "25.12.19", "httptools": "0.9.0", "onnxruntime": ONNXRUNTIME, "orjson": "3.13.0",
    "packaging": "26.3", "pillow": "13.0.0", "protobuf": "7.36.2", "tokenizers": "0.23.3", "uvloop": "0.23.0",
}  # fmt: skip
_LAMBDA: Final = {"awslambdaric": "4.2.2", "simplejson": "4.3.0", "snapshot-restore-py": "1.0.0"}


def pythons() -> tuple[str, ...]:
    """The Python versions that an image can have."""
    return tuple(NUMPY)


def requirements(python: str, on_lambda: bool) -> dict[str, str]:
    """Package to release, in alphabetical order: the runtime's own imports and what these need."""
    return dict(sorted({"numpy": NUMPY[python], **_RUNTIME, **(_LAMBDA if on_lambda else {})}.items()))
