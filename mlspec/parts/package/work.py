"""The stage `package`: the serving code, out of the installed mlspec, into `artifacts/image/` or into the zip.

The code is copied and not installed, so that what ships holds exactly what this mlspec tested the bundle with, needs no
package index for it, and has no compiler in it.
"""

from __future__ import annotations

from pathlib import Path

import mlspec
from mlspec.errors import StageError
from mlspec.job import Job, fresh, swap, write_text
from mlspec.sections.package import Package

_ABOUT = '"""The serving part of mlspec; the compiler is not here."""\n\n__version__ = "{version}"\n'


def main(job: Job) -> None:
    """Replace `artifacts/image/` by the serving code, or `artifacts/function.zip` by all that a function needs.

    The bundle must be there and complete: it goes in beside the code.
    """
    bundle = job.inputs / "bundle"
    lacking = [name for name in ("model.onnx", "signature.json", "preprocess") if not (bundle / name).exists()]
    if lacking:
        raise StageError(f"the bundle has no {', '.join(lacking)}", help="run `mlspec run export` first")
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
            raise StageError(f"there is no {file.relative_to(job.root)}", help="mlspec build    writes it")
    zipped = job.outputs / "function.zip"
    zip_archive.make(bundle, job.scratch / "code", handler, requirements, package.zip, job.scratch / "zip", zipped)


def fill(folder: Path) -> None:
    """Make `folder` hold the package `mlspec` with nothing but its runtime; whole or not at all."""
    made, source = fresh(folder), Path(mlspec.__file__).parent / "runtime"
    for file in sorted(source.rglob("*.py")):
        write_text(made / "mlspec" / "runtime" / file.relative_to(source), file.read_text(encoding="utf-8"))
    write_text(made / "mlspec" / "__init__.py", _ABOUT.format(version=mlspec.__version__))
    swap(made, folder)
