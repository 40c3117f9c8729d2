"""The results of another commit: its files in git, and the confusion matrix from DVC's cache where that has it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlspec.dvc.dvc_lock import LOCK, read_lock
from mlspec.errors import UsageError
from mlspec.git_program import git_bytes
from mlspec.records.evaluation import Evaluation
from mlspec.records.gates import Gates
from mlspec.records.schema import Schema
from mlspec.records.training import Training
from mlspec.report.collect import Results, collect

_CONFUSION = "plots/confusion.csv"
_FILES = (*(record.FILE for record in (Evaluation, Gates, Schema, Training)), "plots/train.csv", _CONFUSION)


def results_at(root: Path, revision: str) -> Results:
    """The results at a git revision; what that commit lacks is absent. Raises UsageError for an unknown revision."""
    if git_bytes(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}") is None:
        message = f"git does not know the revision {revision!r}"
        raise UsageError(message, help="git fetch origin    brings branches of the remote: origin/main")
    outputs = _locked_outputs(root, revision)
    with tempfile.TemporaryDirectory(prefix="mlspec-") as folder:
        for name in _FILES:
            content = git_bytes(root, "show", "--end-of-options", f"{revision}:./artifacts/{name}")
            if content is None:
                content = _cached(root, outputs.get(f"artifacts/{name}"))
            if content is not None:
                _write(Path(folder, name), content)
        return collect(Path(folder))


def _locked_outputs(root: Path, revision: str) -> dict[str, str | None]:
    """The digests of the outputs in the dvc.lock of the revision."""
    text = git_bytes(root, "show", "--end-of-options", f"{revision}:./{LOCK}")
    stages = read_lock(text.decode("utf-8", errors="replace") if text else None)
    return {path: digest for stage in stages.values() for path, digest in stage.outputs.items()}


def _cached(root: Path, digest: str | None) -> bytes | None:
    """An object of DVC's cache (https://dvc.org/doc/user-guide/project-structure/internal-files)."""
    if not digest or not digest.isalnum():
        return None
    try:
        return (root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).read_bytes()
    except OSError:
        return None


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
