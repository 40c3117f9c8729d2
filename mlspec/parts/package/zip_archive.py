"""Serving code, packages and bundle to one zip for Lambda: equal inputs give equal bytes."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from mlspec.errors import StageError
from mlspec.job import whole, write_text
from mlspec.parts.package import package_limits, serving_pins, wheels
from mlspec.runtime.bundle_version import bundle_version, version_file
from mlspec.sections.package import LambdaZip
from mlspec.spec.types import size_bytes

_SUFFIXES: Final = (".pyi", ".a", ".h", ".pyc")
_FOLDERS: Final = ("tests", "bin", "__pycache__")


def make(
    bundle: Path, code: Path, handler: Path, requirements: Path, options: LambdaZip, scratch: Path, to: Path
) -> None:
    """The zip at `to`, whole or not at all: `code`'s package, `bundle` beside it, and the packages it needs.

    `scratch` is a folder for its content. Raises StageError where that is larger than the limit.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    packages = scratch / "content"
    wheels.install(requirements, packages, options.python, options.architecture)
    prune(packages)
    shutil.copytree(code, packages, dirs_exist_ok=True)
    shutil.copytree(bundle, packages / "bundle")
    # Or each cold start would read the whole bundle.
    write_text(version_file(packages / "bundle"), f"{bundle_version(bundle, {})}\n")
    shutil.copyfile(handler, packages / "handler.py")
    _compile(packages, options.python)
    size = sum(file.stat().st_size for file in packages.rglob("*") if file.is_file())
    if size > size_bytes(options.max_size):
        raise StageError(
            f"the unpacked zip has {size / 2**20:.0f} MiB, more than package.zip.max_size: {options.max_size}",
            help="quantize the model (export.onnx.quantize), or ship an image: package: {docker: {}}",
        )
    with whole(to) as partial:
        pack(packages, partial)
    shutil.rmtree(scratch)
    packed = to.stat().st_size
    sys.stdout.write(f"{to.name}: {packed / 2**20:.1f} MiB, {size / 2**20:.0f} MiB unpacked\n")
    if packed > package_limits.MAX_DIRECT:
        sys.stdout.write(f"{to.name} is over 50 MiB: Lambda takes it only from an S3 bucket (package.zip.bucket)\n")


def prune(folder: Path) -> None:
    """Remove what serving does not use: tools, tests, headers, type stubs."""
    for name in serving_pins.UNUSED:
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and path.name in _FOLDERS:
            shutil.rmtree(path)
        elif path.is_file() and path.suffix in _SUFFIXES:
            path.unlink()


def _compile(folder: Path, python: str) -> None:
    """Write bytecode: Lambda's code folder is read-only, so it would compile at every cold start."""
    program = wheels.interpreter(python)
    if program is None:
        sys.stdout.write(f"Python {python} is not installed: without bytecode the function starts more slowly\n")
        return
    command = [str(program), "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", "/var/task", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONHASHSEED": "0"})
    if done.returncode:
        raise StageError("the code of the zip does not compile", help=(done.stdout + done.stderr).strip()[:1000])


def pack(folder: Path, to: Path) -> None:
    """Every file of `folder`, sorted, of one time and readable for all, as a zip.

    Several files are compressed at once, since zlib releases the GIL.
    """
    files = sorted((file.relative_to(folder).as_posix(), file) for file in folder.rglob("*") if file.is_file())
    with zipfile.ZipFile(to, "w") as archive, ThreadPoolExecutor(os.cpu_count()) as pool:
        assert archive.fp is not None
        for entry, content in pool.map(_packed, files):
            entry.header_offset = archive.start_dir
            archive.fp.write(content)
            archive.start_dir = archive.fp.tell()
            archive.filelist.append(entry)


def _packed(named: tuple[str, Path]) -> tuple[zipfile.ZipInfo, bytes]:
    """The entry of a file, and the header and the content that an archive has of it."""
    name, file = named
    entry = zipfile.ZipInfo(name, time.gmtime(serving_pins.EPOCH)[:6])
    entry.create_system = 3  # Unix, on every machine: the mode below is read only then
    entry.external_attr = (0o755 if ".so" in file.name else 0o644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    alone = io.BytesIO()
    with zipfile.ZipFile(alone, "w") as archive:
        archive.writestr(entry, file.read_bytes(), compresslevel=6)
        end = archive.start_dir
    return entry, alone.getvalue()[:end]
