"""Pinned wheels for the Python of another machine, installed by pip into a folder; nothing is built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from mlspec.docker.failures import failure
from mlspec.errors import StageError

_GLIBC: Final = (34, 31, 28, 27, 26, 24, 17)
"""Minor releases of glibc 2 that wheels are built for and Amazon Linux 2023, with 2.34, runs."""
_MACHINES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}


def install(requirements: Path, folder: Path, python: str, architecture: str) -> None:
    """Install the exact releases of a file into `folder`, for that Python and processor. Raises StageError.

    Where the file has hashes, pip demands one of every package.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    command += ["--target", str(folder), "--no-deps", "--no-compile", "--only-binary", ":all:"]
    # pip compares `Requires-Python` of an exact release with the Python that it runs in, not with --python-version.
    command += ["--implementation", "cp", "--python-version", python, "--ignore-requires-python"]
    command += [word for name in platforms(architecture) for word in ("--platform", name)]
    command += ["--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if "No module named pip" in done.stderr:
        raise StageError(
            "pip is not installed in this Python: it installs the packages of the zip",
            help=f"{sys.executable} -m ensurepip",
        )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr]
        raise failure("cannot install the packages of requirements-serve.txt", "\n".join(errors))


def platforms(architecture: str) -> list[str]:
    """The platform tags of wheels that serving can load on that processor."""
    machine = _MACHINES[architecture]
    return [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC] + [f"manylinux2014_{machine}"]


def interpreter(python: str) -> Path | None:
    """A Python of that version: this one, one on PATH, of pyenv or of uv; None where none is installed."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == python:
        return Path(sys.executable)
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    places = [shutil.which(f"python{python}"), *sorted(pyenv.glob(f"{python}.*/bin/python{python}"))]
    places += sorted((home / ".local" / "share" / "uv" / "python").glob(f"cpython-{python}.*/bin/python{python}"))
    for place in places:
        if place is not None and _version(place) == python:
            return Path(place)
    return None


def _version(program: str | Path) -> str:
    """The version of a program; "" where it does not run, as a shim of pyenv for a missing Python."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([program, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
