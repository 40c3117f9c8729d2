"""W&B offline, the real client: what a training leaves for `wandb sync`."""

from __future__ import annotations

from collections.abc import Callable

from mlspec.records.bundle_provenance import read_provenance
from tests.parts.projects import Applied

OFFLINE = "track: {wandb: {project: p, mode: offline}}\n"


def test_an_offline_run_is_kept_for_a_later_upload(trained: Callable[..., Applied]) -> None:
    applied = trained("numbers", OFFLINE)
    applied.run("train")
    (run,) = (applied.root / ".mlspec" / "wandb" / "wandb").glob("offline-run-*")
    assert [*run.glob("*.wandb")]
    assert read_provenance(applied.root, applied.artifacts).run == run.name.rpartition("-")[2]


def test_a_disabled_tracker_starts_no_run(trained: Callable[..., Applied]) -> None:
    applied = trained("numbers", OFFLINE.replace("offline", "disabled"))
    applied.run("train")
    assert not (applied.root / ".mlspec" / "wandb").exists()
