"""The zip of a folder: the same bytes as `zipfile` writes of its files one after the other, and readable by it."""

from __future__ import annotations

import random
import time
import zipfile
from pathlib import Path

import pytest

from mlspec.parts.package import serving_pins
from mlspec.parts.package.zip_archive import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    dice = random.Random(1)
    contents = {f"package/module_{n}.py": f"VALUE = {n}\n".encode() * n for n in range(60)}
    contents |= {"handler.py": b"", "lib/core.so.1": dice.randbytes(3 << 20), "lib/zeros.so": bytes(4 << 20)}
    contents |= {"lib/\u00e9t\u00e9.txt": b"summer", "lib.py": b"before its folder"}
    for name, content in contents.items():
        file = tmp_path / "content" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path / "content"


def one_after_the_other(folder: Path, to: Path) -> None:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, file in sorted((f.relative_to(folder).as_posix(), f) for f in folder.rglob("*") if f.is_file()):
            entry = zipfile.ZipInfo(name, time.gmtime(serving_pins.EPOCH)[:6])
            entry.create_system = 3
            entry.external_attr = (0o755 if ".so" in name else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes(), compresslevel=6)


def test_the_bytes_are_those_of_zipfile(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "packed.zip")
    one_after_the_other(folder, tmp_path / "expected.zip")
    assert (tmp_path / "packed.zip").read_bytes() == (tmp_path / "expected.zip").read_bytes()


def test_it_has_every_file(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "packed.zip")
    with zipfile.ZipFile(tmp_path / "packed.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "unpacked")
    for file in filter(Path.is_file, folder.rglob("*")):
        assert (tmp_path / "unpacked" / file.relative_to(folder)).read_bytes() == file.read_bytes()


def test_an_empty_folder_is_an_empty_archive(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    pack(tmp_path / "content", tmp_path / "packed.zip")
    assert zipfile.ZipFile(tmp_path / "packed.zip").namelist() == []
