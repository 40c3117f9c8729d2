"""`.mlspec/`: mlspec's own state in a project, hidden from git. Never reached through a link."""

from __future__ import annotations

import os

from mlspec.errors import MlspecError
from mlspec.workspace.operations import SYSTEM, Operations
from mlspec.workspace.roots import STATE, Roots

_GITIGNORE = "# What mlspec keeps for itself on this machine.\n*\n"


def state_folder(roots: Roots) -> str:
    """The folder's path, whether it is there or not. Raises MlspecError where something else stands in its place."""
    state = os.path.join(roots.project, STATE)
    if os.path.islink(state) or (os.path.exists(state) and not os.path.isdir(state)):
        raise MlspecError(f"{STATE} is not a folder", help=f"remove it: mlspec keeps its own state in a folder {STATE}")
    return state


def make_state_folder(roots: Roots, operations: Operations = SYSTEM) -> str:
    """The folder's path, made where it is missing. Raises OSError and MlspecError."""
    state = state_folder(roots)
    operations.make_folders(state)
    ignore = os.path.join(state, ".gitignore")
    if not operations.exists(ignore):
        partial = f"{ignore}.{os.getpid()}"
        operations.save(partial, _GITIGNORE.encode())
        operations.rename(partial, ignore)
    return state


def pending_folder(roots: Roots) -> str:
    """Where transactions lie, whether it is there or not. Raises MlspecError where a link stands in its place."""
    pending = os.path.join(state_folder(roots), "pending")
    if os.path.islink(pending):
        raise MlspecError(f"{STATE}/pending is a link", help="remove it: mlspec writes through no links")
    return pending
