"""`.mlspec/`: mlspec's state in a project, ignored by git. Never accessed through a link."""

from __future__ import annotations

import os

from mlspec.errors import MlspecError
from mlspec.workspace.operations import SYSTEM, Operations
from mlspec.workspace.roots import STATE, Roots

_GITIGNORE = "# State of mlspec on this machine.\n*\n"


def state_folder(roots: Roots) -> str:
    """The folder's path; it need not exist. Raises MlspecError if the path is not a folder."""
    state = os.path.join(roots.project, STATE)
    if os.path.islink(state) or (os.path.exists(state) and not os.path.isdir(state)):
        raise MlspecError(f"{STATE} is not a folder", help=f"remove it; mlspec stores its state in the folder {STATE}")
    return state


def make_state_folder(roots: Roots, operations: Operations = SYSTEM) -> str:
    """The folder's path; created if it does not exist. Raises OSError and MlspecError."""
    state = state_folder(roots)
    operations.make_folders(state)
    ignore = os.path.join(state, ".gitignore")
    if not operations.exists(ignore):
        partial = f"{ignore}.{os.getpid()}"
        operations.save(partial, _GITIGNORE.encode())
        operations.rename(partial, ignore)
    return state


def pending_folder(roots: Roots) -> str:
    """The folder of transactions; it need not exist. Raises MlspecError if it is a link."""
    pending = os.path.join(state_folder(roots), "pending")
    if os.path.islink(pending):
        raise MlspecError(f"{STATE}/pending is a symbolic link", help="remove it; mlspec does not write through links")
    return pending
