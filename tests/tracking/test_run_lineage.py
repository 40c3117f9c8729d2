from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlspec.job import Job
from mlspec.tracking.run_lineage import lineage
from tests.records.repositories import git, repository


@pytest.fixture
def job(tmp_path: Path) -> Job:
    root = repository(tmp_path)
    (root / "artifacts/data").mkdir()
    (root / "artifacts/data/train.parquet").write_bytes(b"rows")
    return Job(root, root / "artifacts", root / "artifacts", {}, {})


def test_the_commit_and_the_digests(job: Job) -> None:
    git(job.root, "tag", "first")
    result = lineage(job)
    assert (result["commit"], result["changed"]) == ((job.root / ".git/refs/tags/first").read_text().strip(), False)
    assert result["data/train.parquet"] == hashlib.sha256(b"rows").hexdigest()
    assert "data/valid.parquet" not in result


def test_files_of_the_pipeline_are_no_change_and_an_edit_is_one(job: Job) -> None:
    (job.root / "dvc.lock").write_text("a: 2\n")
    assert lineage(job)["changed"] is False
    (job.root / "mlproject.yaml").write_text("mlspec: 1 # edited\n")
    assert lineage(job)["changed"] is True


def test_a_folder_without_a_commit(tmp_path: Path) -> None:
    result = lineage(Job(tmp_path, tmp_path / "artifacts", tmp_path / "artifacts", {}, {}))
    assert result == {"commit": None, "changed": False}
