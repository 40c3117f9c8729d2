"""Sweeps through Hydra, over a toy stage that only computes."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.run.hydra_text import Written
from mlspec.run.sweeper import advice
from tests.conftest import CHECKOUT

pytestmark = pytest.mark.slow
PROGRAM = """
import sys
from pathlib import Path
from pydantic import Field
from mlspec.cli.app import main
from mlspec.diagnostics import render
from mlspec.errors import MlspecError, StageError
from mlspec.sections.experiments import Sweep
from mlspec.run.program import execute
from mlspec.spec.spec_model import SpecModel
from mlspec.stage_context import StageContext
from tests.toy import Toy


class Knobs(SpecModel):
    x: float = Field(0.0, description="x", ge=-5, le=5)
    n: int = Field(1, description="n")
    word: str = Field("a", description="word")
    left_out: float | None = Field(None, description="A key that conf/ does not have")


class Bare(SpecModel):
    pass


def body(job):
    knobs = job.need(Knobs)
    if knobs.word == "bad":
        raise StageError("this word is bad")
    (job.outputs / "made").write_text(f"{knobs.x} {knobs.n} {knobs.word}")
    return (knobs.x - 2) ** 2 + knobs.n + (knobs.left_out or 0)


sys.modules["toy_body"] = sys.modules["__main__"]
part = Toy("toy", {"data": Bare, "model": Bare, "knobs": Knobs, "sweep": Sweep}, {"turn": "toy_body:body"})
try:
    execute("turn", sys.argv[1:], StageContext(root=Path.cwd()), [part])
except MlspecError as error:
    print(error.message, *map(render, getattr(error, "diagnostics", ())), sep="\\n", file=sys.stderr)
    sys.exit(error.exit_code)
"""
CONFIG = """
defaults:
  - data: default
  - model: default
  - project: default
  - knobs: default
  - sweep: default
  - override hydra/job_logging: none
  - override hydra/hydra_logging: none
  - _self_
hydra:
  output_subdir: null
  run: {dir: .}
  sweep: {dir: multirun/one, subdir: "${hydra.job.num}"}
  sweeper: {_target_: hydra_plugins.mlspec.SpecSweeper}
"""


def sweep(root: Path, settings: str, *overrides: str) -> tuple[int, str, list[dict[str, str]]]:
    """Exit code, output and results table of a sweep with these settings."""
    files = {
        "config.yaml": CONFIG,
        "data/default.yaml": "{}",
        "model/default.yaml": "{}",
        "project/default.yaml": "name: toy",
        "knobs/default.yaml": "{x: 0.0, n: 1, word: a}",
        "sweep/default.yaml": settings,
    }
    for name, text in files.items():
        (root / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "conf" / name).write_text(text)
    path = os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", PROGRAM, "-m", *overrides]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    table = root / "multirun" / "one" / "results.csv"
    rows = list(csv.DictReader(table.read_text().splitlines())) if table.exists() else []
    return done.returncode, done.stdout + done.stderr, rows


def settings(method: str, parameters: str, trials: int = 6, goal: str = "minimize") -> str:
    return f"{{method: {method}, metric: loss, goal: {goal}, seed: 3, trials: {trials}, parameters: {parameters}}}"


GRID = "{knobs.x: {values: [0.0, 1.0, 2.0]}, knobs.word: {values: ['it''s', 'a,b']}}"
RANGE = "{knobs.x: {min: -5, max: 5, log: false, whole: false}, knobs.n: {min: 1, max: 4, log: false, whole: true}}"


def test_a_grid_tries_all_combinations_and_lists_the_best_first(tmp_path: Path) -> None:
    code, output, rows = sweep(tmp_path, settings("grid", GRID))
    assert code == 0, output
    assert len(rows) == 6
    assert (rows[0]["knobs.x"], float(rows[0]["loss"])) == ("2.0", 1.0)
    assert {row["knobs.word"] for row in rows} == {"it's", "a,b"}
    assert [float(row["loss"]) for row in rows] == sorted(float(row["loss"]) for row in rows)
    assert (tmp_path / "multirun" / "one" / "0" / "made").read_text() == "0.0 1 it's"
    assert "job 4: 1, in multirun/one/4" in output.splitlines()
    assert "the best of 6 is knobs.x=2.0  knobs.word=it's with loss 1; all in" in output
    assert "= help: to train with it, set in the spec: knobs: {x: 2.0, word: it's}" in output
    assert not (tmp_path / "artifacts" / "made").exists()


def test_the_folder_of_the_project_may_have_any_name(tmp_path: Path) -> None:
    root = tmp_path / "a $HOME ${x} %(y)s 'q' ü"
    code, output, rows = sweep(root, settings("grid", "{knobs.x: {values: [0.0, 1.0]}}"))
    assert code == 0, output
    assert len(rows) == 2
    assert [path.name for path in tmp_path.iterdir()] == [root.name]


def test_a_folder_that_hydra_cannot_read_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "a ${x"
    code, output, _ = sweep(root, settings("grid", "{knobs.x: {values: [0.0, 1.0]}}"))
    assert code == 4
    assert f"Hydra cannot run in {root}" in output


def test_maximising_turns_the_table_round(tmp_path: Path) -> None:
    _, _, rows = sweep(tmp_path, settings("grid", GRID, goal="maximize"))
    assert rows[0]["knobs.x"] == "0.0"


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_draws_are_seeded_and_within_their_range(method: str, tmp_path: Path) -> None:
    if method == "bayes":
        pytest.importorskip("optuna")
    code, output, rows = sweep(tmp_path / "a", settings(method, RANGE))
    assert code == 0, output
    assert len(rows) == 6
    assert all(-5 <= float(row["knobs.x"]) <= 5 and row["knobs.n"] in "1234" for row in rows)
    assert sweep(tmp_path / "b", settings(method, RANGE))[2] == rows


def test_bayes_comes_closer_than_chance(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    x = "{knobs.x: {min: -5, max: 5, log: false, whole: false}}"
    _, _, bayes = sweep(tmp_path / "a", settings("bayes", x, trials=30))
    assert float(bayes[0]["loss"]) < 1.05


def test_lists_on_the_command_line_are_the_sweep(tmp_path: Path) -> None:
    code, output, rows = sweep(tmp_path, settings("grid", GRID), "knobs.n=1,2", "knobs.x=2")
    assert code == 0, output
    assert [row["knobs.n"] for row in rows] == ["1", "2"]
    assert "set in the spec: knobs: {x: 2, 'n': 1}" in output
    assert (tmp_path / "multirun" / "one" / "1" / "made").read_text() == "2.0 2 a"


def test_a_config_group_stays_an_override() -> None:
    assert advice({"train.seed": 3, "experiment": Written("slow")}) == (
        "set in the spec: train: {seed: 3}; use the override experiment=slow"
    )
    assert advice({"experiment": Written("slow")}) == "use the override experiment=slow"


def test_a_failed_trial_does_not_end_the_others(tmp_path: Path) -> None:
    code, output, rows = sweep(tmp_path, settings("grid", "{knobs.word: {values: [bad, good]}}"))
    assert code == 4
    assert "error: this word is bad" in output
    assert [row["knobs.word"] for row in rows] == ["good", "bad"]
    assert rows[1]["loss"] == ""


def test_a_value_out_of_range_is_reported_at_its_override(tmp_path: Path) -> None:
    code, output, _ = sweep(tmp_path, settings("grid", GRID), "knobs.x=9,1")
    assert code == 1
    assert "command line:1:9: error[out-of-range]" in output
    assert "Traceback" not in output


def test_a_key_that_has_no_value_can_be_varied(tmp_path: Path) -> None:
    code, output, rows = sweep(tmp_path / "a", settings("grid", "{knobs.left_out: {values: [2.0, 1.0]}}"))
    assert code == 0, output
    assert [row["knobs.left_out"] for row in rows] == ["1.0", "2.0"]
    code, output, rows = sweep(tmp_path / "b", settings("grid", GRID), "knobs.left_out=2,1", "knobs.word='it: 1','b'")
    assert code == 0, output
    assert {row["knobs.left_out"] for row in rows} == {"1", "2"}
    assert "set in the spec: knobs: {left_out: 1, word: 'it: 1'}" in output


def test_an_invalid_search_is_reported_at_its_override(tmp_path: Path) -> None:
    code, output, _ = sweep(tmp_path, settings("random", RANGE), "sweep.trials=many")
    assert code == 1
    assert "command line:1:14: error[wrong-type]" in output
    assert "Traceback" not in output


def test_a_range_without_a_bound_is_reported(tmp_path: Path) -> None:
    code, output, _ = sweep(tmp_path, settings("random", "{knobs.x: {min: 0, max: null}}"))
    assert code == 4
    assert "neither `values` nor a range" in output
