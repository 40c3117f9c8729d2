"""Packages without a hash in the locks, and releases known to be bad, pinned or installed."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mlspec.audit.audit_entry import AuditEntry
from mlspec.run.needed_locks import needed_locks
from mlspec.source import hash_lock, known_bad, npm_lock
from mlspec.source.document import Document
from mlspec.source.npm_lock import NpmLock
from mlspec.spec.project import Project

SERVED: Final = "requirements-serve.txt"


def entries(project: Project, served: str, root: Path, document: Document) -> Iterator[AuditEntry]:
    """The entries of the locks in `root`, and of `served`, the text of requirements-serve.txt."""
    if served:
        yield from _locked(SERVED, served)
    yield from _needed(project, root, document)
    for name in known_bad.FILES:
        text = (root / name).read_text(encoding="utf-8", errors="replace") if (root / name).is_file() else ""
        for pin in known_bad.pins(name, text):
            yield _bad(pin.package, pin.release, name, pin.line)
    for bad in known_bad.RELEASES:
        release = _installed(bad.package)
        if release in bad.releases:
            yield _bad(bad.package, release, document.path, 1)


def _needed(project: Project, root: Path, document: Document) -> Iterator[AuditEntry]:
    """The locks that the spec needs, and those that are not there. What is served without one has no hash in
    requirements-serve.txt, which says so for each package."""
    for lock in needed_locks(project):
        if lock.path == npm_lock.FILE and (npm := project.surroundings.npm) is not None:
            yield from _locked_by_npm(npm, lock.packages[0])
        elif (root / lock.path).is_file():
            yield from _locked(lock.path, (root / lock.path).read_text(encoding="utf-8", errors="replace"))
        elif lock.path != hash_lock.FILE:
            detail, line = f"{lock.path} is missing: mlspec lock", document.span((lock.section,), "key").line
            name = f"packages of {lock.what}"
            yield AuditEntry("package", name, document.path, line, detail, "package-without-hash", "warning")


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _locked(name: str, text: str) -> Iterator[AuditEntry]:
    requirements = hash_lock.requirements(text)
    bare = [release for release, digests in requirements.items() if not digests]
    detail = f"{len(requirements)} packages, {len(requirements) - len(bare)} with hashes"
    yield AuditEntry("package", name, name, 1, detail)
    lines = text.splitlines()
    for release in bare:
        line = next((number for number, given in enumerate(lines, 1) if given.startswith(release)), 1)
        yield AuditEntry("package", release, name, line, "mlspec lock", "package-without-hash", "warning")


def _locked_by_npm(lock: NpmLock, requirement: str) -> Iterator[AuditEntry]:
    """One entry for all packages, which is a fault where `npm ci` would not install exactly these."""
    fault, count = lock.fault(requirement), len(lock.packages)
    detail = f"{fault}: mlspec lock" if fault else f"{count} packages, {count} with hashes"
    rule = "package-without-hash" if fault else ""
    yield AuditEntry("package", npm_lock.FILE, npm_lock.FILE, 1, detail, rule, "warning" if fault else "note")


def _bad(package: str, release: str, file: str, line: int) -> AuditEntry:
    bad = known_bad.find(package, release)
    detail = f"{bad.reason(release)}: {bad.link}" if bad is not None else ""
    return AuditEntry("package", f"{package}=={release}", file, line, detail, "known-bad-release", "error")
