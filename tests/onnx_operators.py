"""The operators of ONNX as PyTorch's exporter reads them, once in a process: it parses the source of all five hundred
for each export, which takes longer than the export of a small model."""

from __future__ import annotations

import functools


@functools.cache
def keep_operators() -> None:
    """Have later exports of this process, and of its forks, use the operators that the first one has read."""
    from torch.onnx._internal._lazy_import import onnxscript_apis

    onnxscript_apis.get_torchlib_ops = functools.cache(onnxscript_apis.get_torchlib_ops)
