"""Whether a device computes bfloat16 itself. Emulated, it is slower than float32."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Features in /proc/cpuinfo: of x86 processors, and `bf16` of ARM's."""


def computes(device: torch.device, information: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether `device` multiplies bfloat16 matrices itself. False on a CPU whose features the system does not list."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    try:
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # macOS and Windows
        return False
    features = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not FLAGS.isdisjoint(features.partition(":")[2].split())
