"""Everything that led to a bundle, as one record: read from the project's files and git, carried in an image's labels.

`release_record` reads; `labels` and `from_labels` are pure, and each other's inverse.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from mlspec.records.evaluation import Evaluation

RELEASE_LABEL: Final = "io.mlspec.release"
SIGNATURE_LABEL: Final = "io.mlspec.signature"
_OCI: Final = "org.opencontainers.image."
_SECTIONS: Final = ("data", "model", "train", "export")
_MOST: Final = 64_000
"""Bytes of one label: it is an argument of `docker build`, and Linux bears 128 KiB in each."""
_OWN: Final = ("artifacts", "dvc.lock", ".dvc/config", "Dockerfile.lock", "mlspec.lock")
"""What the line itself writes as it runs, and where data is kept: it says nothing of what the commit lacks."""


@dataclass(frozen=True, slots=True)
class Release:
    """A bundle and what it comes from; what is not known is None. Digests are SHA-256 in hexadecimal."""

    commit: str | None = None
    """The commit checked out, `-dirty` behind it where files differ from it."""
    spec: str | None = None
    """Digest of the composed configuration that the bundle was exported with."""
    bundle: str | None = None
    """Digest of the bundle: of the sorted paths and digests of its files."""
    data: str | None = None
    """Digest of the splits, by the digests of their files."""
    config: Mapping[str, Any] | None = None
    """The sections `data`, `model`, `train`, `export` of that configuration; None where they are too long."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """What evaluation measured, by name."""
    run: str | None = None
    """Id of the tracked run that trained the model."""

    def as_json(self) -> dict[str, Any]:
        """The record as release.json and the label have it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Release:
        """The record in `value`; keys that a newer mlspec may have added are passed over."""
        return cls(**{name: value[name] for name in cls.__dataclass_fields__ if value.get(name) is not None})


@dataclass(frozen=True, slots=True)
class Commit:
    """Where the project stands in git."""

    id: str
    dirty: bool
    time: int
    """Seconds since 1970 at which it was committed."""
    source: str | None = None
    """Address of the repository for people, without credentials."""


def release_record(root: Path, artifacts: Path, commit: Commit | None = None) -> Release:
    """The Release of the bundle in `artifacts`. `commit` is that of `root` when left out."""
    commit = commit or read_commit(root)
    lineage = _json(artifacts / "bundle" / "lineage.json")
    config = {name: lineage["config"][name] for name in _SECTIONS if name in (lineage.get("config") or {})}
    return Release(
        commit=None if commit is None else commit.id + "-dirty" * commit.dirty,
        spec=lineage.get("spec"),
        bundle=bundle_digest(artifacts / "bundle"),
        data=_digest(_compact(lineage["data"]).encode()) if lineage.get("data") else None,
        config=config if config and len(_compact(config)) < _MOST // 2 else None,
        metrics=evaluation.metrics if (evaluation := Evaluation.find(artifacts)) else {},
        run=_run(root, artifacts / "model" / "best.ckpt"),
    )


def labels(release: Release, signature: Mapping[str, Any], commit: Commit | None = None) -> dict[str, str]:
    """The image's labels that are known with the bundle (github.com/opencontainers/image-spec, annotations.md)."""
    made = {RELEASE_LABEL: _compact(release.as_json()), SIGNATURE_LABEL: _compact(signature)}
    if release.bundle:
        made[_OCI + "version"] = release.bundle[:12]
    if release.commit:
        made[_OCI + "revision"] = release.commit
    if commit is not None:
        made[_OCI + "created"] = datetime.fromtimestamp(commit.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if commit.source:
            made[_OCI + "source"] = commit.source
    return {name: text for name, text in made.items() if len(text.encode()) <= _MOST}


def from_labels(found: Mapping[str, str] | None) -> tuple[Release | None, dict[str, Any] | None]:
    """The Release and the signature in an image's labels; None for what is not there or not mlspec's."""
    release, signature = (_object((found or {}).get(name)) for name in (RELEASE_LABEL, SIGNATURE_LABEL))
    return (None if release is None else Release.from_json(release)), signature


def bundle_digest(folder: Path) -> str | None:
    """One SHA-256 for a bundle: of a line `DIGEST  PATH` for each file, sorted by path. None where there is none."""
    files = sorted((p.relative_to(folder).as_posix(), p) for p in folder.rglob("*") if p.is_file())
    if not files:
        return None
    return _digest("".join(f"{file_digest(path)}  {name}\n" for name, path in files).encode())


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_commit(root: Path) -> Commit | None:
    """The commit checked out in `root`; None without git or before the first commit."""
    head = (_git(root, "show", "--no-patch", "--format=%H %ct", "HEAD") or "").split()
    if len(head) != 2:
        return None
    passed_over = (f":(exclude,literal){path}" for path in (*_OWN, *_generated(root)))
    dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *passed_over))
    return Commit(head[0], dirty, int(head[1]), web_address(_git(root, "remote", "get-url", "origin") or ""))


def _generated(root: Path) -> list[str]:
    """The files that follow from the spec alone: with another `--env` than they were committed with, they differ."""
    rows = _json(root / "mlspec.lock").get("files")
    return [
        str(row.get("path"))
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and row.get("mode") == "file" and not row.get("kept")
    ]


def address(root: Path) -> str:
    """Address of the folder `root` in its repository, in characters that a tag of AWS may have; "" without a remote."""
    found = web_address(_git(root, "remote", "get-url", "origin") or "")
    return "" if found is None else _below(found, root)


def beginning(root: Path) -> str:
    """The folder `root` in the repository that begins with a certain commit: the same in every clone, with a remote or
    without. "" without git, before the first commit, and in a shallow clone, which does not know it."""
    commits = (_git(root, "rev-list", "--max-parents=0", "HEAD") or "").split()
    if not commits or _git(root, "rev-parse", "--is-shallow-repository") != "false":
        return ""
    return _below(f"first-commit:{commits[-1]}", root)


def _below(repository: str, root: Path) -> str:
    below = (_git(root, "rev-parse", "--show-prefix") or "").strip().strip("/")
    return re.sub(r"[^A-Za-z0-9_.:/=+@-]", "_", f"{repository}/{below}".rstrip("/"))[:256]


def web_address(remote: str) -> str | None:
    """A git remote as an https address, without user, password or query: they may be secrets. None for a local path."""
    match = re.fullmatch(r"(?:(?:https?|ssh|git)://)?(?:[^@/]*@)?([A-Za-z0-9.-]+)(?::\d+)?[:/]+([^?#\s]+)", remote)
    if not match or "." not in match[1] or remote.startswith((".", "/")):
        return None
    return f"https://{match[1]}/{match[2].removesuffix('.git')}"


def _run(root: Path, checkpoint: Path) -> str | None:
    """W&B's id of the last run here, unless it began after the checkpoint was written: then it made another one."""
    try:
        folder = (root / ".mlspec" / "wandb" / "wandb" / "latest-run").resolve(strict=True)
        found = re.fullmatch(r"(?:offline-)?run-(\d{8}_\d{6})-(\w+)", folder.name)
        if found and datetime.strptime(found[1], "%Y%m%d_%H%M%S").timestamp() <= checkpoint.stat().st_mtime:
            return found[2]
    except OSError:
        pass
    return None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _json(path: Path) -> dict[str, Any]:
    try:
        return _object(path.read_text(encoding="utf-8")) or {}
    except OSError:
        return {}


def _object(text: str | None) -> dict[str, Any] | None:
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
