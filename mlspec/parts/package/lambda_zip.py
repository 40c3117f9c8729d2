"""The zip for Lambda to the proof that it starts and answers: unpacked, in a process that has nothing else to import.

Where the machine has Linux, that processor and that Python, AWS's emulator runs it; what cannot be tried here is said.
"""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from mlspec.errors import StageError
from mlspec.job import Job, fresh
from mlspec.parts.package import lambda_emulator, package_limits, serving_pins, wheels
from mlspec.parts.package.lambda_process import Invocation, through_emulator, without_emulator
from mlspec.parts.package.prediction_check import ExpectedPredictions
from mlspec.records.release import labels, read_commit, release_record
from mlspec.sections.deploy import Lambda
from mlspec.sections.package import LambdaZip
from mlspec.spec.types import size_bytes
from mlspec.stage_result import warn

HANDLER: Final = "handler.handle"


def record(job: Job, wanted: LambdaZip, function: Lambda | None) -> dict[str, Any]:
    """What `artifacts/image.json` says of the zip. Raises StageError where it does not start or answers wrongly."""
    file = job.outputs / "function.zip"
    if not file.is_file():
        raise StageError("there is no artifacts/function.zip", help="mlspec run package    makes it")
    data = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    commit = read_commit(job.root)
    signature = json.loads((job.inputs / "bundle" / "signature.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(data)
    made = {
        "kind": "zip",
        "file": file.relative_to(job.root).as_posix(),
        "sha256": digest.hexdigest(),
        "code_sha256": base64.b64encode(digest.digest()).decode("ascii"),
        "runtime": f"python{wanted.python}",
        "handler": HANDLER,
        "architecture": wanted.architecture,
        "size_bytes": len(data),
        "unpacked_bytes": unpacked,
        "max_size_bytes": size_bytes(wanted.max_size),
        "direct": len(data) <= package_limits.MAX_DIRECT,
        "labels": labels(release_record(job.root, job.inputs, commit), signature, commit),
        "proof": prove(file, job.inputs / "bundle", wanted, function, job.scratch),
    }
    sys.stdout.write(f"{made['file']}: {len(data) / 2**20:.1f} MiB, {unpacked / 2**20:.0f} MiB unpacked\n")
    return made


def prove(file: Path, bundle: Path, wanted: LambdaZip, function: Lambda | None, scratch: Path) -> dict[str, Any]:
    """What was proved of the zip. Raises StageError with the number, the bound and the next step."""
    with zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if size > size_bytes(wanted.max_size):
            message = f"the zip's content has {size / 2**20:.0f} MiB, and package.zip.max_size is {wanted.max_size}"
            raise StageError(message, help="mlspec run package    makes it anew")
        expected = ExpectedPredictions(bundle)
        made: dict[str, Any] = {
            "size": {"bytes": size, "max_bytes": size_bytes(wanted.max_size)},
            "examples": expected.examples(),
        }
        program, why = _program(wanted)
        if program is None:
            return made | _not_proved(why)
        with tempfile.TemporaryDirectory(prefix="mlspec-") as folder:
            task = Path(folder) / "task"
            archive.extractall(task)
            return made | _tried(task, program, expected, wanted, function, scratch)


def _tried(
    task: Path, program: Path, expected: ExpectedPredictions, wanted: LambdaZip, function: Lambda | None, scratch: Path
) -> dict[str, Any]:
    binary, before = lambda_emulator.find(), _listing(task)
    if binary is None:
        asked = without_emulator(program, task, HANDLER, expected.events())
        made = _not_proved(f"AWS's Lambda emulator is not on this machine; {lambda_emulator.HELP}")
    else:
        client = _client(wanted, scratch)
        asked = through_emulator(binary, program, task, client, HANDLER, expected.events())
        made = {"emulator": True}
    apart = expected.compare_events("the zip", asked.answers)
    written = sorted({name for name, _ in _listing(task) ^ before})
    if written:
        help = "Lambda's code folder is read-only; only /tmp can be written to"
        raise StageError(f"the function writes beside its code: {', '.join(written[:3])}", help=help)
    _fits(asked, function)
    memory = function.memory if function else None
    return made | {"rows": len(expected.rows), "difference": apart, "seconds": round(asked.seconds, 2),
                   "peak": asked.peak, "memory_mb": memory}  # fmt: skip


def _fits(asked: Invocation, function: Lambda | None) -> None:
    if function is not None and asked.peak is not None and asked.peak > function.memory * 2**20:
        message = f"the function took {asked.peak / 2**20:.0f} MB, and deploy.lambda.memory is {function.memory}"
        raise StageError(message, help="raise deploy.lambda.memory, or quantize the model (export.onnx.quantize)")


def _program(wanted: LambdaZip) -> tuple[Path | None, str]:
    """The Python to try it with, or why there is none."""
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    if sys.platform != "linux" or machine != wanted.architecture:
        return None, f"its packages are for Linux on {wanted.architecture}, and this is {sys.platform} on {machine}"
    program = wheels.interpreter(wanted.python)
    return program, f"there is no Python {wanted.python} on this machine; install it, or set package.zip.python"


def _client(wanted: LambdaZip, scratch: Path) -> Path:
    """awslambdaric, which Lambda's own Python brings, in a folder kept from one time to the next."""
    requirements = serving_pins.lambda_client()
    folder = scratch / "-".join(("lambda-client", wanted.python, *requirements.values()))
    if not folder.is_dir():
        partial = fresh(folder)
        wheels.install(requirements, partial, wanted.python, wanted.architecture)
        partial.rename(folder)
    return folder


def _not_proved(why: str) -> dict[str, Any]:
    warn(f"not proved that the zip answers in Lambda: {why}")
    return {"emulator": False, "why": why}


def _listing(folder: Path) -> set[tuple[str, int]]:
    return {(p.relative_to(folder).as_posix(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}
