"""What one process of a test run makes for all of them: xdist's workers have a folder each, below one that they share."""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Value = TypeVar("Value")


def shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """The folder `name` of the whole run, not of one worker; it exists."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def once(folder: Path, create: Callable[[Path], object]) -> Path:
    """`folder/content` as `create` has filled it: the first process does, the others wait for it.

    What a failure has left is created anew by the next one that asks.
    """
    content, created = folder / "content", folder / "created"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not created.exists():
                shutil.rmtree(content, ignore_errors=True)
                content.mkdir()
                create(content)
                created.touch()
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough where a fork of this process still has the file
    return content


def once_value(folder: Path, create: Callable[[Path], Value]) -> Value:
    """What `create` has returned in the first process that asked; the others read it from the disk."""
    content = once(folder, lambda within: (within / "value").write_bytes(pickle.dumps(create(within))))
    value: Value = pickle.loads((content / "value").read_bytes())
    return value
