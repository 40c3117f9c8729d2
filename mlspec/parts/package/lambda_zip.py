"""The checks of a zip for Lambda: unpacked and run in a process that can import nothing else.

Where the machine has Linux, that processor and that Python, AWS's emulator runs it. A check that this machine cannot
run is a warning, and recorded as not run.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from mlspec.errors import StageError
from mlspec.job import Job, fresh, write_text
from mlspec.parts.package import lambda_emulator, package_limits, serving_hashes, serving_pins, wheels
from mlspec.parts.package.lambda_process import Invocation, through_emulator, without_emulator
from mlspec.parts.package.prediction_check import ExpectedPredictions
from mlspec.records.bundle_provenance import read_provenance
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.git_commit import read_commit
from mlspec.records.image_labels import labels
from mlspec.records.packaged import PackagedZip, SizeCheck, ZipProof
from mlspec.sections.deploy import Lambda
from mlspec.sections.package import LambdaZip
from mlspec.source.hash_lock import requirement
from mlspec.spec.types import size_bytes
from mlspec.stage_result import warn

HANDLER: Final = "handler.handle"


def check(job: Job, options: LambdaZip, function: Lambda | None) -> PackagedZip:
    """The record of the zip. Raises StageError where it does not start or predicts other than the bundle."""
    file = job.outputs / "function.zip"
    if not file.is_file():
        raise StageError("artifacts/function.zip is missing", help="mlspec apply --until package --force package")
    data = file.read_bytes()
    digest = hashlib.sha256(data)
    commit = read_commit(job.root)
    provenance, signature = read_provenance(job.root, job.inputs, commit), BundleSignature.read(job.inputs)
    packaged = PackagedZip(
        kind="zip",
        file=file.relative_to(job.root).as_posix(),
        sha256=digest.hexdigest(),
        code_sha256=base64.b64encode(digest.digest()).decode("ascii"),
        runtime=f"python{options.python}",
        handler=HANDLER,
        architecture=options.architecture,
        size_bytes=len(data),
        unpacked_bytes=_unpacked(file),
        max_size_bytes=size_bytes(options.max_size),
        direct=len(data) <= package_limits.MAX_DIRECT,
        labels=labels(provenance, signature, commit),
        proof=prove(file, job.inputs / "bundle", options, function, job.scratch),
    )
    unpacked = packaged.unpacked_bytes / 2**20
    sys.stdout.write(f"{packaged.file}: {len(data) / 2**20:.1f} MiB, {unpacked:.0f} MiB unpacked\n")
    return packaged


def _unpacked(file: Path) -> int:
    with zipfile.ZipFile(file) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def prove(file: Path, bundle: Path, options: LambdaZip, function: Lambda | None, scratch: Path) -> ZipProof:
    """The checks that the zip passes. Raises StageError with the value and the limit."""
    size, limit = _unpacked(file), size_bytes(options.max_size)
    if size > limit:
        message = f"the unpacked zip has {size / 2**20:.0f} MiB, more than package.zip.max_size: {options.max_size}"
        raise StageError(message, help="mlspec apply --until package --force package")
    expected = ExpectedPredictions(bundle)
    proof = ZipProof(
        size=SizeCheck(bytes=size, max_bytes=limit),
        examples=expected.examples(),
        emulator=False,
    )
    program, why = _program(options)
    if program is None:
        return _untested(proof, why)
    with tempfile.TemporaryDirectory(prefix="mlspec-") as folder:
        task = Path(folder) / "task"
        with zipfile.ZipFile(file) as archive:
            archive.extractall(task)
        return _tested(proof, task, program, expected, options, function, scratch)


def _tested(
    proof: ZipProof,
    task: Path,
    program: Path,
    expected: ExpectedPredictions,
    options: LambdaZip,
    function: Lambda | None,
    scratch: Path,
) -> ZipProof:
    """`proof`, completed by a run of the function in the folder `task`."""
    binary, before = lambda_emulator.find(), _listing(task)
    if binary is None:
        run = without_emulator(program, task, HANDLER, expected.events())
        proof = _untested(proof, f"AWS's Lambda emulator is not installed; {lambda_emulator.HELP}")
    else:
        client = _client(options, scratch)
        run = through_emulator(binary, program, task, client, HANDLER, expected.events())
        proof = proof.model_copy(update={"emulator": True})
    difference = expected.compare_events("the zip", run.answers)
    written = sorted({name for name, _ in _listing(task) ^ before})
    if written:
        help = "Lambda's code folder is read-only: write to /tmp"
        raise StageError(f"the function writes beside its code: {', '.join(written[:3])}", help=help)
    _require_memory(run, function)
    return proof.model_copy(
        update={
            "rows": len(expected.rows),
            "difference": difference,
            "seconds": round(run.seconds, 2),
            "peak": run.peak,
            "memory_mb": function.memory if function else None,
        }
    )


def _require_memory(run: Invocation, function: Lambda | None) -> None:
    if function is not None and run.peak is not None and run.peak > function.memory * 2**20:
        message = f"the function used {run.peak / 2**20:.0f} MB, more than deploy.lambda.memory: {function.memory}"
        raise StageError(message, help="raise deploy.lambda.memory, or quantize the model (export.onnx.quantize)")


def _program(options: LambdaZip) -> tuple[Path | None, str]:
    """The Python to run it with, or why this machine cannot run it."""
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    if sys.platform != "linux" or machine != options.architecture:
        return None, f"its packages are for Linux on {options.architecture}, and this is {sys.platform} on {machine}"
    program = wheels.interpreter(options.python)
    return program, f"Python {options.python} is not installed; install it, or set package.zip.python"


def _client(options: LambdaZip, scratch: Path) -> Path:
    """A folder with awslambdaric, which Lambda's Python contains; installed once."""
    releases = serving_pins.lambda_client()
    folder = scratch / "-".join(("lambda-client", options.python, *releases.values()))
    if not folder.is_dir():
        partial, requirements = fresh(folder), folder.with_name(f"{folder.name}.txt")
        pins = [f"{name}=={release}" for name, release in releases.items()]
        hashed = [requirement(pin, serving_hashes.hashes(pin, options.python)) for pin in pins]
        write_text(requirements, "\n".join(hashed) + "\n")
        wheels.install(requirements, partial, options.python, options.architecture)
        partial.rename(folder)
    return folder


def _untested(proof: ZipProof, why: str) -> ZipProof:
    warn(f"the zip was not tested in Lambda's emulator: {why}")
    return proof.model_copy(update={"emulator": False, "why": why})


def _listing(folder: Path) -> set[tuple[str, int]]:
    return {(p.relative_to(folder).as_posix(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}
