"""The Python environment of TextAttack, whose pins clash with those of mlspec: packages, and whether it is usable."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path, PurePosixPath
from typing import Final

VERSION: Final = "0.3.11"
"""The release of TextAttack: its recipes, and the file with which it notes that it has downloaded NLTK's data."""

PACKAGES: Final = (
    f"textattack=={VERSION}",
    "flair==0.15.1",
    "nltk==3.10.4",
    "scikit-learn==1.9.1",
    "torch==2.13.0",
    "transformers==4.57.6",
)
"""What an attack depends on. flair cannot be imported with transformers 5, which mlspec may use."""

_PATIENCE: Final = 30
"""Timeout in seconds of a Python that prints a version."""
_ASK: Final = "import importlib.metadata as m; print(m.version('textattack'))"


LOCK: Final = "requirements-textattack.lock"
"""The file with the hashes of these packages and of those that they need, if the project has it."""


def folder(python: str) -> str:
    """The folder of the virtual environment that this Python is in, as the spec writes it; "" if it is in none."""
    path = PurePosixPath(python)
    in_one = (
        path.parent.name == "bin" and path.name.startswith("python") and path.parent.parent != PurePosixPath("/usr")
    )
    return str(path.parent.parent) if in_one else ""


def install(python: str) -> str:
    """The command that creates the environment of this Python, a path relative to the project or an absolute one."""
    packages, place = " ".join(PACKAGES), folder(python)
    if not place:
        return f"{shlex.quote(python)} -m pip install {packages}"
    return f"python3 -m venv {shlex.quote(place)} && {shlex.quote(f'{place}/bin/pip')} install {packages}"


def problem(root: Path, python: str) -> str:
    """Why this Python cannot run an attack; "" if it can. Starts it, and does not import TextAttack."""
    path = root / python
    if not path.is_file():
        return f"{python} does not exist"
    try:
        done = subprocess.run(
            [str(path), "-I", "-c", _ASK], capture_output=True, text=True, errors="replace", timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{python} cannot be run: {type(error).__name__}"
    installed = done.stdout.strip()
    if done.returncode or not installed:
        return f"TextAttack is not installed in the environment of {python}"
    return "" if installed == VERSION else f"the environment of {python} has TextAttack {installed}, not {VERSION}"
