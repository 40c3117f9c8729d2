"""Compiled templates in the user's cache folder, so that a build need not compile them again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import jinja2

import mlspec


def template_cache(environ: Mapping[str, str] = os.environ) -> jinja2.BytecodeCache | None:
    """The cache in `$XDG_CACHE_HOME/mlspec`; None where that folder cannot be created or belongs to another user."""
    home = environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(home, "mlspec", f"templates-{mlspec.__version__}-jinja{jinja2.__version__}")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = folder.stat().st_uid == os.getuid()
    except OSError:
        return None
    return jinja2.FileSystemBytecodeCache(str(folder)) if own else None
