"""Exact releases that serving installs, for each Python version that has wheels of all of them. Pure.

Every release has a manylinux wheel for x86-64 and for arm64 (checked in November 2026); without one,
`pip install --only-binary` in the generated Dockerfile fails. Their digests are in `serving_hashes.txt`; after a change
of a pin write it again: `python -m tests.serving_hashes`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

ONNXRUNTIME: Final = "1.32.0"
"""The ONNX Runtime that serves: it must support the opset of an exported graph."""
NUMPY: Final[Mapping[str, str]] = {"3.11": "2.4.6", "3.12": "2.5.5", "3.13": "2.5.5", "3.14": "2.5.5"}
"""NumPy's release for each Python version that the pinned ONNX Runtime has wheels for."""
_RUNTIME: Final = {"onnxruntime": ONNXRUNTIME, "orjson": "3.13.0"}
"""Without requirements that it does not import for inference: flatbuffers, packaging, protobuf."""
_SERVER: Final = {"httptools": "0.9.0", "uvloop": "0.23.0"}
"""What the HTTP server imports: an image has one, a zip does not."""
_INPUTS: Final[Mapping[str, Mapping[str, str]]] = {
    "text": {"tokenizers": "0.23.3"},
    "image": {"pillow": "13.0.0"},
}
"""What the preprocessing of a kind of input imports."""
_ELASTICSEARCH: Final = {
    "anyio": "4.16.0",
    "certifi": "2026.10.18",
    "elastic-transport": "9.4.2",
    "elasticsearch": "9.5.1",
    "idna": "3.20",
    "python-dateutil": "2.9.0.post0",
    "six": "1.17.0",
    "sniffio": "1.3.1",
    "typing-extensions": "4.16.0",
    "urllib3": "2.8.0",
}
"""What the server imports to store predictions in Elasticsearch."""
_LAMBDA: Final = {"awslambdaric": "4.2.2", "simplejson": "4.3.0", "snapshot-restore-py": "1.0.0"}
"""Lambda's client: an image must contain it, Lambda's Python has it."""
UNUSED: Final = (
    "numpy/distutils",
    "numpy/f2py",
    "onnxruntime/backend",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
)
"""Folders of those packages that serving does not use."""
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
    elasticsearch: bool = False,
    more: Mapping[str, str] = _NONE,
) -> dict[str, str]:
    """Package to release, in alphabetical order: what the runtime imports for those kinds of input, and `more`."""
    releases = {"numpy": NUMPY[python], **_RUNTIME, **(_SERVER if server else {}), **(_LAMBDA if on_lambda else {})}
    if elasticsearch:
        releases |= _ELASTICSEARCH
    for kind in inputs:
        releases |= _INPUTS.get(kind, {})
    return dict(sorted({**more, **releases}.items()))


def lambda_client() -> dict[str, str]:
    """Lambda's client: part of an image; for a zip only used in its checks."""
    return dict(_LAMBDA)
