"""Whether the last build still holds, found out without building: all it read and all it wrote, by digest.

Kept in `.mlspec/stamp.json`, on this machine only. It imports neither pydantic nor jinja2 nor yaml: a build with
nothing to do is mostly the price of imports.
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
    """What is to be built: the spec with the digest of its bytes, and the environment laid over it."""

    spec: Path
    sha256: str
    environment: str | None


class CachedBuild(NamedTuple):
    """A build that still holds: how many files it has, how many the user keeps, and what it warned of."""

    files: int
    kept: int
    warnings: tuple[Diagnostic, ...]


def ask(spec: Path, environment: str | None) -> BuildKey:
    """The question of building `spec` as it is now. One that cannot be read has no digest; the reader says why."""
    try:
        return BuildKey(spec, digest(spec.read_bytes()), environment)
    except OSError:
        return BuildKey(spec, "", environment)


def standing(question: BuildKey, roots: Roots) -> CachedBuild | None:
    """The last build if doing it again would change nothing; None where that is not certain."""
    try:
        with open(os.path.join(state_folder(roots), _NAME), encoding="utf-8") as file:
            stamp = json.load(file)
        if stamp["inputs"] != _inputs(question, survey(stamp["named"], question.spec.parent)):
            return None
        if unfinished(roots) or not _untouched(stamp["outputs"], roots):
            return None
        return CachedBuild(int(stamp["files"]), int(stamp["kept"]), tuple(_warning(row) for row in stamp["warnings"]))
    except (OSError, ValueError, TypeError, KeyError, MlspecError):
        return None


def remember(
    question: BuildKey, roots: Roots, surroundings: ProjectContext, changes: ChangeSet, warnings: Sequence[Diagnostic]
) -> None:
    """Keep a build that has just been written. Where it cannot be kept, the next one does its work again.

    `question` was asked before the spec was read for building; a spec that has changed since is not remembered.
    """
    if ask(question.spec, question.environment) != question or read_lock(roots) != changes.lock:
        return
    ours = [c for c in changes.changes if c.action not in ("keep", "delete")]
    texts = [(c.key, c.before if c.action == "unchanged" else c.after, c.executable) for c in ours]
    texts.append((LOCK_KEY, Disk(roots).look(LOCK_KEY).text, False))
    stamp = {
        "inputs": _inputs(question, surroundings),
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


def _inputs(question: BuildKey, surroundings: ProjectContext) -> str:
    """One digest of everything that a build's result depends on."""
    parts = (engine(), str(question.spec), question.sha256, question.environment, surroundings)
    return digest(repr(parts).encode("utf-8", "surrogatepass"))


def _untouched(outputs: Iterable[Sequence[object]], roots: Roots) -> bool:
    disk = Disk(roots)
    for anchor, path, sha256, executable in outputs:
        key: Key = ("project" if anchor == "project" else "repository", str(path))
        found = disk.look(key)
        if _digest(found.text) != sha256 or (executable and not found.executable):
            return False
    return True


def _digest(text: str | None) -> str | None:
    return None if text is None else digest(text.encode("utf-8", "surrogateescape"))


def _warning(row: Sequence[Any]) -> Diagnostic:
    found = Diagnostic(*row)
    return found._replace(span=Span(*found.span) if found.span else None)
