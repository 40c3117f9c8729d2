"""The digest of the base image: looked up once, kept in `Dockerfile.lock`, and read from there by later builds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mlspec.docker.client import Docker
from mlspec.docker.failures import failure
from mlspec.job import write_text
from mlspec.source import dockerfile_lock
from mlspec.source.dockerfile_lock import PinnedBase


def pin(docker: Docker, root: Path, dockerfile: str, base: str, platform: str) -> tuple[str, str]:
    """The text of the Dockerfile with `base` pinned to a digest, and the base as it then stands there.

    A text without `base`, as a Dockerfile of the user's, and one with digests are returned as they are. A new digest is
    written to Dockerfile.lock; the next `mlspec build` writes it into the Dockerfile.
    """
    line = re.search(rf"^FROM ({re.escape(base)}(?:@{dockerfile_lock.DIGEST})?) AS", dockerfile, re.MULTILINE)
    if line is None:
        return dockerfile, base
    if "@" in line[1]:
        return dockerfile, line[1]
    digest = lookup(docker, base, platform)
    if digest is None:
        return dockerfile, base
    path = root / dockerfile_lock.FILE
    bases = dockerfile_lock.parse(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_text(path, dockerfile_lock.dump(bases | {base: PinnedBase(digest, datetime.now(UTC).date().isoformat())}))
    pinned = f"{base}@{digest}"
    return dockerfile.replace(f"FROM {base} AS", f"FROM {pinned} AS"), pinned


def lookup(docker: Docker, base: str, platform: str) -> str | None:
    """The digest of `base` in its registry; None for an image that was built on this machine and is in no registry.

    Raises StageError where neither the engine nor the registry has it.
    """
    local = docker.find(base)
    if local is not None and not local.digests:
        return None
    pulled = docker.run("pull", "--quiet", "--platform", platform, base)
    if pulled.returncode == 0:
        return _digest(docker.inspect(base).digests, base)
    if local is None:
        raise failure(f"cannot pull the base image {base}", pulled.stderr)
    return _digest(local.digests, base)


def _digest(digests: Sequence[str], base: str) -> str | None:
    """The digest in the repository of `base`: an image may be in several."""
    repository = base.rpartition(":")[0] if "/" not in base.rpartition(":")[2] and ":" in base else base
    for entry in digests:
        name, _, digest = entry.partition("@")
        if _without_hub(name) == _without_hub(repository):
            return digest
    return None


def _without_hub(repository: str) -> str:
    """The repository as Docker reports it: without the name of its hub."""
    return re.sub(r"^(?:docker\.io/|index\.docker\.io/)?(?:library/)?", "", repository)
