"""Exact releases that serving installs, for each Python version that has wheels of all of them. Pure.

Every release here has a manylinux wheel for x86-64 and for arm64 (looked up in November 2026); should that ever stop
being so, `pip install --only-binary` in the generated Dockerfile fails at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

ONNXRUNTIME: Final = "1.32.0"
"""The ONNX Runtime that serves: an exported graph must be one that it can read."""
NUMPY: Final[Mapping[str, str]] = {"3.11": "2.4.6", "3.12": "2.5.5", "3.13": "2.5.5", "3.14": "2.5.5"}
"""NumPy's release for each Python version that the pinned ONNX Runtime has wheels for."""
_RUNTIME: Final = {"onnxruntime": ONNXRUNTIME, "orjson": "3.13.0"}
"""Without what it lists for its own tools and never imports to infer: flatbuffers, packaging, protobuf."""
_SERVER: Final = {"httptools": "0.9.0", "uvloop": "0.23.0"}
"""What the HTTP server imports, which an image has and a zip has not."""
_INPUTS: Final[Mapping[str, Mapping[str, str]]] = {
    "text": {"tokenizers": "0.23.3"},
    "image": {"pillow": "13.0.0"},
}
"""What the preprocessing of a kind of input imports."""
_LAMBDA: Final = {"awslambdaric": "4.2.2", "simplejson": "4.3.0", "snapshot-restore-py": "1.0.0"}
"""Lambda's client, which an image brings itself and Lambda's own Python has already."""
UNUSED: Final = (
    "numpy/distutils", "numpy/f2py", "onnxruntime/backend", "onnxruntime/datasets", "onnxruntime/quantization",
    "onnxruntime/tools", "onnxruntime/transformers",
)  # fmt: skip
"""Folders of those packages that serving never opens."""
EPOCH: Final = 315_532_800
"""The time of every file that is shipped, in seconds since 1970: the first that a zip file can hold (1980-01-01)."""


_NONE: Final[Mapping[str, str]] = {}


def pythons() -> tuple[str, ...]:
    """The Python versions that an image can have."""
    return tuple(NUMPY)


def requirements(
    python: str,
    on_lambda: bool,
    inputs: Collection[str] = tuple(_INPUTS),
    *,
    server: bool = True,
    more: Mapping[str, str] = _NONE,
) -> dict[str, str]:
    """Package to release, in alphabetical order: what the runtime imports for those kinds of input, and `more`."""
    found = {"numpy": NUMPY[python], **_RUNTIME, **(_SERVER if server else {}), **(_LAMBDA if on_lambda else {})}
    for kind in inputs:
        found |= _INPUTS.get(kind, {})
    return dict(sorted({**more, **found}.items()))


def lambda_client() -> dict[str, str]:
    """What speaks with Lambda: in an image beside the runtime, for a zip only where it is tried."""
    return dict(_LAMBDA)
