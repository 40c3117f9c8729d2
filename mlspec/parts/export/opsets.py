"""Which ONNX opsets can be exported, and which a release of ONNX Runtime can read. Light."""

from __future__ import annotations

from typing import Final

EXPORTED: Final = range(18, 24)
"""Opsets that the `torch.export` exporter writes: `ONNX_MAX_OPSET` and the oldest that its operators are written for,
in torch/onnx/_constants.py and torch/onnx/_internal/exporter/_constants.py of PyTorch 2.9 to 2.13."""

_SERVED: Final = {(1, 20): 21, (1, 21): 22, (1, 23): 23, (1, 24): 25, (1, 26): 26, (1, 32): 28}
"""The newest opset that ONNX Runtime reads, by the release that brought it; each as that release itself says when it
refuses a newer one. What is promised: https://onnxruntime.ai/docs/reference/compatibility.html#onnx-opset-support"""


def newest(release: str) -> int:
    """The newest opset that a release of ONNX Runtime reads. A release older than all known is taken for the oldest."""
    major, minor = (int(part) for part in release.split(".")[:2])
    known = [opset for since, opset in _SERVED.items() if since <= (major, minor)]
    return max(known, default=min(_SERVED.values()))
