"""Which stage has which code as inputs, as the plan of a project has it before anything ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import MlspecError
from mlspec.parts.dvc.part import raw
from tests.parts.projects import written

SPEC = """\
project: {name: code}
data:
  source: src.data:load
  deps: [raw/a.csv]
  inputs: {size: number}
  target: {column: price, type: number}
  split: {valid: "src.valid:load", test: 0.2}
model: {class: "src.model:Net", datamodule: "src.feed:Feed", preprocess: {class: "src.prep:Prep"}}
train: {}
evaluate: {}
export: {}
test: {robustness: {}}
"""
FUNCTION = "def load(): ...\n"
FILES: dict[str, str | bytes] = {
    "mlproject.yaml": SPEC,
    "src/data.py": f"from . import clean\n{FUNCTION}",
    "src/clean.py": "",
    "src/valid.py": FUNCTION,
    "src/model.py": "from src.layers import x\nclass Net: ...\n",
    "src/layers.py": "def f():\n    import settings\n",
    "settings.py": "",
    "src/feed.py": "class Feed: ...\n",
    "src/judge.py": "",
    "src/prep.py": "from src.clean import y\nclass Prep:\n    def __call__(self, rows): ...\n",
    "tests/test_own.py": "import src.judge\n",
    "raw/a.csv": "x",
    "raw/b.csv": "x",
}
DATA, MODEL = {"src/data.py", "src/clean.py", "src/valid.py"}, {"src/model.py", "src/layers.py", "settings.py"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return written(tmp_path, FILES).root


def inputs(root: Path, kind: str = ".py") -> dict[str, set[str]]:
    stages = compile_project(root / "mlproject.yaml").plan.stages
    return {stage.name: {path for path in stage.inputs if path.endswith(kind)} for stage in stages}


def test_a_stage_has_the_code_that_it_runs(root: Path) -> None:
    prep = {"src/prep.py", "src/clean.py"}  # the stages behind train have their copy
    assert inputs(root) == {
        "data": DATA,
        "train": {*MODEL, "src/feed.py", *prep},
        "evaluate": MODEL,
        "export": MODEL,
        "robustness": set(),
        "test": {*DATA - {"src/valid.py"}, *MODEL, "src/feed.py", "src/judge.py", *prep},  # no test loads it
    }


def test_a_stage_has_the_files_that_it_opened(root: Path) -> None:
    (root / "reads.lock").write_text("data raw/b.csv\ntrain raw/b.csv\ntrain raw/gone.csv\ntrain src/late.py\n")
    (root / "src/late.py").write_text("")
    assert {name: paths for name, paths in inputs(root, ".csv").items() if paths} == {
        "data": {"raw/a.csv", "raw/b.csv"},
        "train": {"raw/b.csv"},
    }
    assert inputs(root)["train"] >= {*MODEL, "src/feed.py", "src/late.py"}


def test_a_declared_file_is_an_input_once(root: Path) -> None:
    (root / "reads.lock").write_text("data raw/a.csv\ndata raw/b.csv\n")
    (root / "mlproject.yaml").write_text(SPEC.replace("[raw/a.csv]", "[raw]"))
    build = compile_project(root / "mlproject.yaml")
    data = next(stage for stage in build.plan.stages if stage.name == "data")
    assert set(data.inputs) == {*DATA, "raw"}
    assert build.warnings == ()


def test_only_data_that_the_spec_names_is_tracked_by_dvc(root: Path) -> None:
    (root / "reads.lock").write_text("data raw/b.csv\n")
    build = compile_project(root / "mlproject.yaml")
    assert [(warning.code, warning.help) for warning in build.warnings] == [
        ("undeclared-read", "add to `data`: deps: [raw/a.csv, raw/b.csv]")
    ]
    assert raw(build.project, build.plan.stages) == ("raw/a.csv",)


def test_a_stage_never_waits_for_itself(root: Path) -> None:
    (root / "reads.lock").write_text("data artifacts/metrics/evaluate.json\n")
    with pytest.raises(MlspecError, match=r"^reads\.lock:1: "):
        compile_project(root / "mlproject.yaml")
