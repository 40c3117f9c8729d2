"""The ONNX opsets that can be exported, and those that a release of ONNX Runtime supports. Light."""

from __future__ import annotations

from typing import Final

EXPORTED: Final = range(18, 24)
"""Opsets that the `torch.export` exporter supports, from the minimum of its operators to `ONNX_MAX_OPSET`: see
torch/onnx/_constants.py and torch/onnx/_internal/exporter/_constants.py of PyTorch 2.9 to 2.13."""

_SERVED: Final = {(1, 20): 21, (1, 21): 22, (1, 23): 23, (1, 24): 25, (1, 26): 26, (1, 32): 28}
"""The newest opset of ONNX Runtime by the release that added it, as in the release's own error for a newer one. See
also https://onnxruntime.ai/docs/reference/compatibility.html#onnx-opset-support"""


def newest(release: str) -> int:
    """The newest opset that a release of ONNX Runtime supports; for older releases that of the oldest known one."""
    major, minor = (int(part) for part in release.split(".")[:2])
    known = [opset for since, opset in _SERVED.items() if since <= (major, minor)]
    return max(known, default=min(_SERVED.values()))
