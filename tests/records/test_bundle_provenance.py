from __future__ import annotations

import os
from pathlib import Path

from mlspec.records.bundle_provenance import BundleProvenance, bundle_digest, read_provenance
from mlspec.records.training import Tuned
from tests.records.repositories import LINEAGE


def test_the_provenance_of_a_project(project: Path) -> None:
    created = read_provenance(project, project / "artifacts")
    assert len(created.commit or "") == 40
    assert (created.spec, created.config, created.metrics) == (
        "5" * 64,
        {"train": {"seed": 7}},
        {"mcc": 0.5, "f1": None},
    )
    assert created.bundle == bundle_digest(project / "artifacts" / "bundle")
    assert len(created.data or "") == 64
    assert created.run is None


def test_what_was_found_before_training_is_part_of_the_configuration(project: Path) -> None:
    tuned = Tuned(batch_size=64, batch_size_limit="memory", learning_rate=0.01)
    LINEAGE.model_copy(update={"tuned": tuned}).write(project / "artifacts")
    created = read_provenance(project, project / "artifacts")
    assert created.config == {"train": {"seed": 7, "tuned": {"batch_size": 64, "learning_rate": 0.01}}}
    assert created.spec == "5" * 64


def test_without_git_and_without_a_bundle_it_is_empty(tmp_path: Path) -> None:
    assert read_provenance(tmp_path, tmp_path / "artifacts") == BundleProvenance()


def test_the_bundles_digest_is_of_names_and_contents(project: Path) -> None:
    folder = project / "artifacts" / "bundle"
    before = bundle_digest(folder)
    os.utime(folder / "model.onnx", (1, 1))
    assert bundle_digest(folder) == before
    (folder / "model.onnx").rename(folder / "other.onnx")
    assert bundle_digest(folder) != before


def test_the_run_is_the_trackers_last_unless_it_began_later(project: Path) -> None:
    folder = project / ".mlspec" / "wandb" / "wandb"
    (folder / "offline-run-20200101_000000-abc123").mkdir(parents=True)
    (folder / "latest-run").symlink_to("offline-run-20200101_000000-abc123")
    checkpoint = project / "artifacts" / "model" / "best.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"")
    assert read_provenance(project, project / "artifacts").run == "abc123"
    os.utime(checkpoint, (0, 0))
    assert read_provenance(project, project / "artifacts").run is None
