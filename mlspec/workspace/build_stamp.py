"""Whether the last build is up to date, without building: digests of everything it read and wrote.

Stored in `.mlspec/stamp.json`, on this machine only. Imports neither pydantic nor jinja2 nor yaml: imports are most of
the time of a build without changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from mlspec.diagnostics import Diagnostic, Span
from mlspec.errors import MlspecError
from mlspec.source.project_context import ProjectContext, survey
from mlspec.workspace.changes import ChangeSet
from mlspec.workspace.commit_record import LOCK_KEY
from mlspec.workspace.digests import digest, engine
from mlspec.workspace.disk import Disk
from mlspec.workspace.lock import read_lock
from mlspec.workspace.roots import Key, Roots
from mlspec.workspace.state_folder import make_state_folder, state_folder
from mlspec.workspace.writer import unfinished

_NAME = "stamp.json"


class BuildKey(NamedTuple):
    """What is built: the spec with the digest of its bytes, and the environment."""

    spec: Path
    sha256: str
    environment: str | None


class CachedBuild(NamedTuple):
    """A build that is up to date: the number of its files, of those the user keeps, and its warnings."""

    files: int
    kept: int
    warnings: tuple[Diagnostic, ...]


def build_key(spec: Path, environment: str | None) -> BuildKey:
    """The key of building `spec` as it is now. A spec that cannot be read has no digest; the reader reports why."""
    try:
        return BuildKey(spec, digest(spec.read_bytes()), environment)
    except OSError:
        return BuildKey(spec, "", environment)


def up_to_date(key: BuildKey, roots: Roots) -> CachedBuild | None:
    """The last build if another one would change nothing; None if that is not certain."""
    try:
        with open(os.path.join(state_folder(roots), _NAME), encoding="utf-8") as file:
            stamp = json.load(file)
        if stamp["inputs"] != _inputs(key, survey(stamp["named"], key.spec.parent)):
            return None
        if unfinished(roots) or not _untouched(stamp["outputs"], roots):
            return None
        return CachedBuild(int(stamp["files"]), int(stamp["kept"]), tuple(_warning(row) for row in stamp["warnings"]))
    except (OSError, ValueError, TypeError, KeyError, MlspecError):
        return None


def remember(
    key: BuildKey, roots: Roots, surroundings: ProjectContext, changes: ChangeSet, warnings: Sequence[Diagnostic]
) -> None:
    """Store the stamp of a build that has just been written. If that fails, the next build does its work again.

    `key` was computed before the spec was read; nothing is stored for a spec that has changed since.
    """
    if build_key(key.spec, key.environment) != key or read_lock(roots) != changes.lock:
        return
    ours = [c for c in changes.changes if c.action not in ("keep", "delete")]
    texts = [(c.key, c.before if c.action == "unchanged" else c.after, c.executable) for c in ours]
    texts.append((LOCK_KEY, Disk(roots).look(LOCK_KEY).text, False))
    stamp = {
        "inputs": _inputs(key, surroundings),
        "named": surroundings.named,
        "outputs": [[*key, _digest(text), executable] for key, text, executable in texts],
        "files": len(ours),
        "kept": changes.count("keep"),
        "warnings": warnings,
    }
    with suppress(OSError, MlspecError):
        path = os.path.join(make_state_folder(roots), _NAME)
        partial = f"{path}.{os.getpid()}"
        with open(partial, "w", encoding="utf-8") as file:
            json.dump(stamp, file)
        os.replace(partial, path)


def _inputs(key: BuildKey, surroundings: ProjectContext) -> str:
    """One digest of everything that a build's result depends on."""
    parts = (engine(), str(key.spec), key.sha256, key.environment, surroundings)
    return digest(repr(parts).encode("utf-8", "surrogatepass"))


def _untouched(outputs: Iterable[Sequence[object]], roots: Roots) -> bool:
    disk = Disk(roots)
    for anchor, path, sha256, executable in outputs:
        key: Key = ("project" if anchor == "project" else "repository", str(path))
        file = disk.look(key)
        if _digest(file.text) != sha256 or (executable and not file.executable):
            return False
    return True


def _digest(text: str | None) -> str | None:
    return None if text is None else digest(text.encode("utf-8", "surrogateescape"))


def _warning(row: Sequence[Any]) -> Diagnostic:
    warning = Diagnostic(*row)  # no help: the stored values include it
    return warning._replace(span=Span(*warning.span) if warning.span else None)
