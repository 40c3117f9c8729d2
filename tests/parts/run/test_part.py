"""The section `run`: stages that do not exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts.targets import codes


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ("{train: {timeout: 2h}}", []),
        ("{export: {timeout: 2h}}", []),
        ("{trian: {timeout: 2h}}", ["unknown-stage"]),
        ("{train: {retries: 11}}", ["out-of-range"]),
    ],
)
def test_findings(resources: str, expected: list[str], tmp_path: Path) -> None:
    assert codes(tmp_path, f"train: {{}}\nrun: {{resources: {resources}}}\n") == expected
