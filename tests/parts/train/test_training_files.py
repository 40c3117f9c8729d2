"""The files of the stage `train`: the old ones stay until the new ones are complete."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mlspec.job import Job  # noqa: E402
from mlspec.parts.train import training_files  # noqa: E402
from mlspec.records.decisions import TrainDecisions  # noqa: E402


def test_the_old_model_stays_if_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "model"
    folder.mkdir(parents=True)
    (folder / "best.ckpt").write_text("old")
    (tmp_path / "scratch").mkdir()
    checkpoint = tmp_path / "scratch" / "best.ckpt"
    torch.save({"state_dict": {}, "epoch": 0}, checkpoint)
    trainer = SimpleNamespace(save_checkpoint=lambda path: path.write_text("last"))
    run: Any = SimpleNamespace(
        best=SimpleNamespace(best_model_path=str(checkpoint), best_model_score=None), trainer=trainer
    )
    job = Job(tmp_path, tmp_path / "artifacts", tmp_path / "artifacts", {}, {})
    with pytest.raises(FileNotFoundError, match="preprocess"):
        training_files.write(job, run, tmp_path / "scratch", TrainDecisions(), {})
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"best.ckpt": "old"}
