"""The stage `package`: the serving code of the installed mlspec to `artifacts/image/` or into the zip.

The code is copied, not installed: it is exactly the code that tested the bundle, needs no package index, and does not
contain the compiler.
"""

from __future__ import annotations

import mlspec
from mlspec.errors import StageError
from mlspec.job import Job, write_text
from mlspec.parts.package.serving_code import fill
from mlspec.sections.package import Package
from mlspec.shipping import bundle_signing


def main(job: Job) -> None:
    """Write the serving code to `artifacts/image/`, or everything that a function needs to `artifacts/function.zip`.

    The bundle must be complete: it is packaged with the code.
    """
    bundle = job.inputs / "bundle"
    missing = [name for name in ("model.onnx", "signature.json", "preprocess") if not (bundle / name).exists()]
    if missing:
        raise StageError(
            f"artifacts/bundle lacks {', '.join(missing)}", help="mlspec apply --until export --force export"
        )
    bundle_signing.verify(job)
    package = job.get(Package)
    if package is None or package.zip is None:
        fill(job.outputs / "image")
        print(f"serving code of mlspec {mlspec.__version__} is in {job.outputs / 'image'}")
        return
    from mlspec.parts.package import zip_archive

    fill(job.scratch / "code")
    handler, requirements = job.root / "lambda" / "handler.py", job.root / "requirements-serve.txt"
    for file in (handler, requirements):
        if not file.is_file():
            raise StageError(f"{file.relative_to(job.root)} is missing", help="mlspec build")
    policy = job.root / "monitoring.json"
    if policy.is_file():
        write_text(job.scratch / "code" / policy.name, policy.read_text(encoding="utf-8"))
    zipped = job.outputs / "function.zip"
    zip_archive.make(bundle, job.scratch / "code", handler, requirements, package.zip, job.scratch / "zip", zipped)
