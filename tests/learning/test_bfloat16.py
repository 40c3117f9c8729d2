"""Which devices compute bfloat16 themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.bfloat16 import computes  # noqa: E402


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu sse2 avx512f avx512_bf16 avx512_vnni", True),
        ("flags\t\t: fpu avx512f amx_bf16 amx_tile", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("flags\t\t: fpu sse2 avx2 avx512f", False),
        ("model name\t: bf16", False),
    ],
    ids=["avx512", "amx", "arm", "avx512 without", "a name"],
)
def test_a_processor_computes_bfloat16_if_the_system_lists_it(line: str, expected: bool, tmp_path: Path) -> None:
    information = tmp_path / "cpuinfo"
    information.write_text(f"processor\t: 0\n{line}\n")
    assert computes(torch.device("cpu"), information) is expected


def test_other_systems_and_devices_do_not(tmp_path: Path) -> None:
    assert not computes(torch.device("cpu"), tmp_path / "missing")
    assert not computes(torch.device("mps"))
