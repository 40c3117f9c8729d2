"""What git is kept from seeing in a project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from mlspec.job import fresh, swap, whole
from tests.parts.targets import BASE, PACKAGE, files, write


def unseen(folder: Path) -> list[str]:
    """Untracked files that git would add."""
    done = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=folder, capture_output=True, text=True)
    return [line[3:] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["data", "model", "bundle", "image"])
def test_what_a_kill_leaves_is_not_committed(name: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    write(tmp_path, PACKAGE)
    before = unseen(tmp_path)
    folder = tmp_path / "artifacts" / name
    (fresh(folder) / "torn").write_text("x")
    with whole(tmp_path / "artifacts" / "metrics" / "evaluate.json") as partial:
        partial.write_text("torn")
        with whole(tmp_path / "reads.lock") as other:
            other.write_text("torn")
            assert unseen(tmp_path) == before
            other.write_text("whole")
    assert "artifacts/metrics/evaluate.json" in unseen(tmp_path)


def test_the_old_folder_of_a_swap_is_not_committed(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    write(tmp_path, PACKAGE)
    before = unseen(tmp_path)
    folder = tmp_path / "artifacts" / "model"
    (fresh(folder) / "best.ckpt").write_text("x")
    swap(fresh(folder), folder)
    (tmp_path / "artifacts" / ".model.old").mkdir()
    (tmp_path / "artifacts" / ".model.old" / "best.ckpt").write_text("x")
    assert unseen(tmp_path) == before


@pytest.mark.parametrize("name", ["rows.csv", "#it's 1!.csv", "two  spaces .csv"])
def test_raw_data_for_dvc_is_not_committed_before_the_first_run(name: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "data").mkdir()
    for file in (name, "a 1x.csv"):
        (tmp_path / "data" / file).write_text("sentence,label\na,yes\n")
    base = BASE.replace("data/cola.csv", f'"data/{name}"')
    write(tmp_path, PACKAGE, base)
    seen = unseen(tmp_path)
    assert not any(name in path for path in seen)
    assert '"data/a 1x.csv"' in seen
    write(tmp_path, PACKAGE, base.replace("  source:", "  track: git\n  source:"))
    assert any("data/" in path and "1x" not in path for path in unseen(tmp_path))


def test_the_model_is_the_bundle_or_else_the_checkpoint(tmp_path: Path) -> None:
    for text, path in ((PACKAGE, "artifacts/bundle"), ("train: {}\n", "artifacts/model/best.ckpt"), ("", None)):
        pipeline = yaml.safe_load(files(tmp_path, text)["dvc.yaml"])
        assert pipeline.get("artifacts", {}).get("model", {}).get("path") == path
        if path:
            assert pipeline["artifacts"]["model"]["labels"][0] == "text-classifier"
