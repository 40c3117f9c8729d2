"""W&B offline, the real client: what a training leaves for `wandb sync`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlspec.records.bundle_provenance import read_provenance
from tests.parts.projects import Applied

OFFLINE = "track: {wandb: {project: p, mode: offline}}\n"


def test_an_offline_run_is_kept_for_a_later_upload(trained: Callable[..., Applied]) -> None:
    applied = trained("numbers", OFFLINE)
    applied.run("train")
    (run,) = (applied.root / ".mlspec" / "wandb" / "wandb").glob("offline-run-*")
    assert [*run.glob("*.wandb")]
    assert read_provenance(applied.root, applied.artifacts).run == run.name.rpartition("-")[2]


@pytest.mark.parametrize("precision", ["64-true", "bf16-true"])
def test_a_training_whose_weights_have_another_precision_than_its_rows(
    precision: str, trained: Callable[..., Applied]
) -> None:
    """The results on the validation split are those of the checkpoint, which is loaded in single precision."""
    applied = trained("images", OFFLINE)
    applied.spec("train: {", f"train: {{precision: {precision}, ")
    applied.run("train")
    assert [*applied.root.glob(".mlspec/wandb/wandb/offline-run-*/*.wandb")]


def test_a_disabled_tracker_starts_no_run(trained: Callable[..., Applied]) -> None:
    applied = trained("numbers", OFFLINE.replace("offline", "disabled"))
    applied.run("train")
    assert not (applied.root / ".mlspec" / "wandb").exists()
