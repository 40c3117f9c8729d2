"""The results at another commit, from git and from DVC's cache."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mlspec.errors import UsageError
from mlspec.report.earlier_results import results_at

LOCK = """\
schema: '2.0'
stages:
  evaluate:
    cmd: mlspec run evaluate
    outs:
    - path: artifacts/plots/confusion.csv
      hash: md5
      md5: 0123456789abcdef0123456789abcdef
      size: 1
"""


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project below the root of its repository, with results in its first commit and none in the second."""
    root = tmp_path / "ml" / "cola"
    (root / "artifacts" / "metrics").mkdir(parents=True)
    (root / "artifacts/metrics/evaluate.json").write_text(
        '{"task": "classification", "rows": 2, "metrics": {"accuracy": 0.5}}'
    )
    (root / "dvc.lock").write_text(LOCK)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "rm", "-rq", "ml/cola/artifacts")
    git(tmp_path, "commit", "-qm", "two")
    return root


def test_metrics_are_read_from_the_commit(project: Path) -> None:
    earlier = results_at(project, "HEAD~1")
    assert earlier.evaluation is not None
    assert earlier.evaluation.metrics == {"accuracy": 0.5}
    assert earlier.confusion is None
    assert results_at(project, "HEAD").evaluation is None


def test_a_file_that_dvc_tracks_is_read_from_its_cache(project: Path) -> None:
    cached = project / ".dvc/cache/files/md5/01/23456789abcdef0123456789abcdef"
    cached.parent.mkdir(parents=True)
    cached.write_text("actual,predicted\nyes,no\n")
    confusion = results_at(project, "HEAD~1").confusion
    assert confusion is not None
    assert confusion.counts == {("yes", "no"): 1}


@pytest.mark.parametrize("revision", ["nope", "--help", "HEAD:dvc.lock", ""])
def test_an_unknown_revision_is_an_error(project: Path, revision: str) -> None:
    with pytest.raises(UsageError, match="git does not know the revision"):
        results_at(project, revision)
