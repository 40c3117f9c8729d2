"""A class of the project's own, looked at without importing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import SpecError

SPEC = """\
project: {name: own}
data: {source: data/a.csv, inputs: {size: number}, target: {column: price, type: number}}
model: {class: "src.model:Net", args: {hidden: 3}}
"""
MODEL = """\
import pytorch_lightning as pl

class Net(pl.LightningModule):
    def __init__(self, hidden: int) -> None:
        super().__init__()
"""


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("class Net(", "clas Net(", "import-not-found", "`src.model` cannot be imported: line 3: invalid syntax"),
        ("class Net(", "class Nett(", "import-not-found", "`src.model` has no `Net`"),
        ("hidden: int", "hiden: int", "bad-argument", "`Net` has no parameter `hidden`"),
        ("hidden: int", "hidden: int, depth: int", "bad-argument", "`Net` needs the argument `depth`"),
    ],
)
def test_a_class_that_cannot_be_instantiated(tmp_path: Path, old: str, new: str, code: str, message: str) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "model.py").write_text(MODEL)
    spec = tmp_path / "mlproject.yaml"
    spec.write_text(SPEC)
    assert compile_project(spec).warnings == ()
    assert old in MODEL
    (tmp_path / "src" / "model.py").write_text(MODEL.replace(old, new))
    with pytest.raises(SpecError) as caught:
        compile_project(spec)
    assert (code, message) in [(finding.code, finding.message) for finding in caught.value.diagnostics]
