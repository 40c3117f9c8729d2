"""The base image's digest: looked up once, kept in `Dockerfile.lock`, and read from there by every later build."""

from __future__ import annotations

import re
from pathlib import Path

from mlspec.docker.docker_engine import Client, failure
from mlspec.job import write_text
from mlspec.source import dockerfile_lock


def pin(docker: Client, root: Path, dockerfile: str, base: str, platform: str) -> tuple[str, str]:
    """The Dockerfile's text with `base` held to a digest, and the base as it now stands there.

    A text that names no `base` (the user's own, or one with digests already) stays what it is. A digest that was not
    known before is written to Dockerfile.lock; the next `mlspec build` puts it into the Dockerfile itself.
    """
    stood = re.search(rf"^FROM ({re.escape(base)}(?:@{dockerfile_lock.DIGEST})?) AS", dockerfile, re.MULTILINE)
    if stood is None:
        return dockerfile, base
    if "@" in stood[1]:
        return dockerfile, stood[1]
    digest = lookup(docker, base, platform)
    if digest is None:
        return dockerfile, base
    path = root / dockerfile_lock.FILE
    known = dockerfile_lock.parse(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_text(path, dockerfile_lock.dump(known | {base: digest}))
    pinned = f"{base}@{digest}"
    return dockerfile.replace(f"FROM {base} AS", f"FROM {pinned} AS"), pinned


def lookup(docker: Client, base: str, platform: str) -> str | None:
    """The digest that a registry gives `base` now; None for an image that was made here and lies in no registry.

    Raises StageError where it is neither here nor there.
    """
    found = docker.run("image", "inspect", "--format", '{{join .RepoDigests " "}}', base)
    if found.returncode == 0 and not found.stdout.strip():
        return None
    pulled = docker.run("pull", "--quiet", "--platform", platform, base)
    if pulled.returncode:
        if found.returncode == 0:
            return _digest(found.stdout, base)
        raise failure(f"the base image {base} cannot be had", pulled.stderr)
    return _digest(docker.ask("image", "inspect", "--format", '{{join .RepoDigests " "}}', base), base)


def _digest(digests: str, base: str) -> str | None:
    """That of the same repository: an image may lie in several. Docker leaves out its hub's name."""
    repository = base.rpartition(":")[0] if "/" not in base.rpartition(":")[2] and ":" in base else base
    for entry in digests.split():
        name, _, digest = entry.partition("@")
        if _hubless(name) == _hubless(repository):
            return digest
    return None


def _hubless(repository: str) -> str:
    return re.sub(r"^(?:docker\.io/|index\.docker\.io/)?(?:library/)?", "", repository)
