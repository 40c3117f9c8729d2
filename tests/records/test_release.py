from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from mlspec.records.release import (
    RELEASE_LABEL,
    SIGNATURE_LABEL,
    Commit,
    Release,
    bundle_digest,
    from_labels,
    labels,
    read_commit,
    release_record,
    web_address,
)

SIGNATURE = {"version": 1, "name": "cola", "inputs": [{"name": "sentence", "type": "text"}]}
COMMIT = Commit("a" * 40, False, 1_700_000_000, "https://github.com/x/y")
LINEAGE = {
    "spec": "5" * 64,
    "data": {"train.parquet": "1" * 64},
    "config": {"train": {"seed": 7}, "ci": {"github": {}}},
}


def git(root: Path, *words: str) -> None:
    names = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    date = {"GIT_COMMITTER_DATE": "1700000000 +0000", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", *words], cwd=root, env=os.environ | names | date, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a commit, a bundle and metrics."""
    bundle, metrics = tmp_path / "artifacts" / "bundle", tmp_path / "artifacts" / "metrics"
    (bundle / "preprocess").mkdir(parents=True)
    metrics.mkdir()
    (bundle / "model.onnx").write_bytes(b"graph")
    (bundle / "preprocess" / "preprocess.json").write_text("{}")
    (bundle / "lineage.json").write_text(json.dumps(LINEAGE))
    (metrics / "evaluate.json").write_text(
        json.dumps({"task": "classification", "rows": 9, "metrics": {"mcc": 0.5, "f1": None}})
    )
    (tmp_path / "mlproject.yaml").write_text("mlspec: 1\n")
    (tmp_path / "dvc.lock").write_text("a: 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "all")
    return tmp_path


def test_the_record_of_a_project(project: Path) -> None:
    made = release_record(project, project / "artifacts")
    assert len(made.commit or "") == 40
    assert (made.spec, made.config, made.metrics) == ("5" * 64, {"train": {"seed": 7}}, {"mcc": 0.5, "f1": None})
    assert made.bundle == bundle_digest(project / "artifacts" / "bundle")
    assert len(made.data or "") == 64
    assert made.run is None


def test_what_the_line_writes_makes_no_commit_dirty_and_an_edit_does(project: Path) -> None:
    (project / "dvc.lock").write_text("a: 2\n")
    (project / "artifacts" / "metrics" / "evaluate.json").write_text("{}")
    found = read_commit(project)
    assert found is not None
    assert (found.dirty, found.time) == (False, 1_700_000_000)
    (project / "mlproject.yaml").write_text("mlspec: 1 # edited\n")
    assert (release_record(project, project / "artifacts").commit or "").endswith("-dirty")


def test_files_generated_for_another_environment_make_no_commit_dirty_and_kept_ones_do(project: Path) -> None:
    made, kept = project / "conf[1].yaml", project / "dvc.yaml"
    rows = [{"path": made.name, "mode": "file"}, {"path": kept.name, "mode": "file", "kept": True}, None]
    (project / "mlspec.lock").write_text(json.dumps({"version": 1, "files": rows}))
    for file in (made, kept):
        file.write_text("memory: 640\n")
    git(project, "add", ".")
    git(project, "commit", "-qm", "built")
    made.write_text("memory: 4096\n")
    (project / "mlspec.lock").write_text(json.dumps({"version": 1, "files": [*rows, None]}))
    assert (found := read_commit(project)) is not None
    assert not found.dirty
    kept.write_text("memory: 4096\n")
    assert (found := read_commit(project)) is not None
    assert found.dirty


def test_without_git_and_without_a_bundle_it_is_empty(tmp_path: Path) -> None:
    assert release_record(tmp_path, tmp_path / "artifacts") == Release()


def test_the_bundles_digest_is_of_names_and_contents(project: Path) -> None:
    folder = project / "artifacts" / "bundle"
    before = bundle_digest(folder)
    os.utime(folder / "model.onnx", (1, 1))
    assert bundle_digest(folder) == before
    (folder / "model.onnx").rename(folder / "other.onnx")
    assert bundle_digest(folder) != before


def test_labels_there_and_back(project: Path) -> None:
    release = release_record(project, project / "artifacts", COMMIT)
    made = labels(release, SIGNATURE, COMMIT)
    assert from_labels(made) == (release, SIGNATURE)
    assert made["org.opencontainers.image.revision"] == "a" * 40
    assert made["org.opencontainers.image.created"] == "2023-11-14T22:13:20Z"
    assert made["org.opencontainers.image.source"] == "https://github.com/x/y"
    assert made["org.opencontainers.image.version"] == (release.bundle or "")[:12]


@pytest.mark.parametrize("found", [None, {}, {RELEASE_LABEL: "no json", SIGNATURE_LABEL: "[1]"}])
def test_labels_of_another_image(found: dict[str, str] | None) -> None:
    assert from_labels(found) == (None, None)


def test_a_newer_record_is_read_as_far_as_it_is_known() -> None:
    assert from_labels({RELEASE_LABEL: '{"commit": "c", "colour": "red"}'}) == (Release(commit="c"), None)


def test_a_label_that_no_command_line_can_carry_is_left_out() -> None:
    assert SIGNATURE_LABEL not in labels(Release(), {"labels": ["x" * 70_000]})


def test_the_run_is_the_trackers_last_unless_it_began_later(project: Path) -> None:
    folder = project / ".mlspec" / "wandb" / "wandb"
    (folder / "offline-run-20200101_000000-abc123").mkdir(parents=True)
    (folder / "latest-run").symlink_to("offline-run-20200101_000000-abc123")
    checkpoint = project / "artifacts" / "model" / "best.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"")
    assert release_record(project, project / "artifacts").run == "abc123"
    os.utime(checkpoint, (0, 0))
    assert release_record(project, project / "artifacts").run is None


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://user:token@github.com/x/y.git", "https://github.com/x/y"),
        ("git@github.com:x/y.git", "https://github.com/x/y"),
        ("ssh://git@gitlab.example.org:2222/x/y.git", "https://gitlab.example.org/x/y"),
        ("https://github.com/x/y?token=1", None),
        ("/srv/git/y.git", None),
        ("../y", None),
        ("", None),
    ],
)
def test_a_remote_as_an_address_without_credentials(remote: str, address: str | None) -> None:
    assert web_address(remote) == address
