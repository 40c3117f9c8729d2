"""The list of known-bad releases, and the pins that are compared with it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import SpecError
from mlspec.source import known_bad
from mlspec.source.known_bad import RELEASES, BadPin, find, pins
from tests.parts.projects import written

TEXT = """\
# lightning==2.6.2
torch==2.13.0
  Lightning[extra] == 2.6.3 ; python_version > "3.10"
litellm==1.82.8 \\
    --hash=sha256:00
ultralytics>=8.3.41
pytorch_lightning===2.6.2 # note
lightning==2.6.20
"""


def test_every_row_is_whole() -> None:
    assert [bad.package for bad in RELEASES] == sorted({bad.package for bad in RELEASES})
    for bad in RELEASES:
        assert date(2015, 1, 1) < bad.published <= known_bad.DATE
        assert bad.link.startswith("https://")
        assert all(find(bad.package.upper(), release) == bad for release in bad.releases)


def test_only_exact_pins_are_compared() -> None:
    expected = [(3, "lightning", "2.6.3"), (4, "litellm", "1.82.8"), (7, "pytorch-lightning", "2.6.2")]
    assert list(pins("requirements.txt", TEXT)) == [BadPin("requirements.txt", *row) for row in expected]


@pytest.mark.parametrize("file", known_bad.FILES)
def test_a_build_refuses_a_bad_pin(tmp_path: Path, file: str) -> None:
    spec = (
        "project: {name: x}\ndata: {source: d.csv, inputs: {a: number}, target: {column: b, type: number}}\n"
        "model: {type: tabular}\n"
    )
    pin = "xinference==2.6.1 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    written(tmp_path, {"mlproject.yaml": spec, "d.csv": "a,b\n1,2\n", file: pin})
    with pytest.raises(SpecError) as error:
        compile_project(tmp_path / "mlproject.yaml")
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "known-bad-release"
    assert diagnostic.message.startswith(f"{file}:1 pins a bad release: xinference 2.6.1 steals")
    assert "github.com/xorbitsai/inference/issues/4828" in diagnostic.help
