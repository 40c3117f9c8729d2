"""A repository with a commit, a bundle and metrics."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from mlspec.records.lineage import Lineage

LINEAGE = Lineage(
    project="cola",
    spec="5" * 64,
    data={"train.parquet": "1" * 64},
    checkpoint="2" * 64,
    config={"train": {"seed": 7}, "ci": {"github": {}}},
)


def git(root: Path, *words: str) -> None:
    names = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    date = {"GIT_COMMITTER_DATE": "1700000000 +0000", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", *words], cwd=root, env=os.environ | names | date, check=True, capture_output=True)


def repository(root: Path) -> Path:
    """The project in `root`, committed at a fixed time."""
    bundle, metrics = root / "artifacts" / "bundle", root / "artifacts" / "metrics"
    (bundle / "preprocess").mkdir(parents=True)
    metrics.mkdir()
    (bundle / "model.onnx").write_bytes(b"graph")
    (bundle / "preprocess" / "preprocess.json").write_text("{}")
    LINEAGE.write(root / "artifacts")
    (metrics / "evaluate.json").write_text(
        json.dumps({"task": "classification", "rows": 9, "metrics": {"mcc": 0.5, "f1": None}})
    )
    (root / "mlproject.yaml").write_text("mlspec: 1\n")
    (root / "dvc.lock").write_text("a: 1\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    return root
