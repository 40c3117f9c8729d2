"""Wheels for the Python of another machine."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from mlspec.errors import StageError
from mlspec.parts.package.wheels import install

NEXT = f"3.{sys.version_info.minor + 1}"


def wheel(folder: Path, requires: str) -> Path:
    """A wheel for any Python whose metadata requires these."""
    metadata = f"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Python: {requires}\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {"tiny.py": "", "tiny-1.0.dist-info/METADATA": metadata, "tiny-1.0.dist-info/WHEEL": tags}
    file = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr("tiny-1.0.dist-info/RECORD", "".join(f"{name},,\n" for name in files))
    return file


def test_a_release_that_only_the_python_of_the_function_runs_is_installed(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements-serve.txt"
    requirements.write_text(f"{wheel(tmp_path, f'>={NEXT}')}\n")
    install(requirements, tmp_path / "code", NEXT, "x86_64")
    assert (tmp_path / "code" / "tiny.py").is_file()


def test_a_release_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements-serve.txt"
    requirements.write_text(f"{tmp_path / 'tiny-2.0-py3-none-any.whl'}\n")
    with pytest.raises(StageError, match=r"cannot install the packages of requirements-serve\.txt"):
        install(requirements, tmp_path / "code", NEXT, "x86_64")
