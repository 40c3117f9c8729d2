"""A Python with what `mlspec[aws]` installs: what its server has done before it forks, and what it lacks."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

from tests.warm_python import CHECKOUT, start

GONE: Final = {
    "dvc", "numpy", "onnx", "onnxruntime", "pyarrow", "pytorch-lightning", "tokenizers", "torch", "transformers",
}  # fmt: skip
"""The packages that it lacks."""
_SITE: Final = f"""\
import importlib.abc, importlib.metadata, sys

GONE = {sorted(GONE)}
version = importlib.metadata.version

def found(name):
    if name in GONE:
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)

class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

importlib.metadata.version = found
sys.meta_path.insert(0, Gone())
"""
"""A `sitecustomize` that makes a Python without these packages."""
_PRELOADED: Final = (
    *(f"mlspec.cli.commands.{name}" for name in ("apply", "build", "plan", "releases", "run", "status")),
    *("mlspec.cli.app", "mlspec.cli.applying", "mlspec.cli.command_line", "mlspec.cli.deployed"),
    *("mlspec.run.program", "mlspec.apply.execute", "mlspec.apply.remote", "mlspec.parts.deploy.work"),
    *("boto3", "botocore.client", "botocore.handlers", "botocore.parsers", "hydra.core.global_hydra", "hydra.utils"),
    *("omegaconf._impl", "psutil", "ruamel.yaml"),
)
"""What several of its programs import, often only when they need it."""


def start_bare(folder: Path, owner: int) -> None:
    """As `start`, for this Python. `folder` belongs on the PYTHONPATH of what its programs start."""
    (folder / "sitecustomize.py").write_text(_SITE, encoding="utf-8")
    start(folder, owner, __name__, [folder])


def prepare() -> None:
    """Do once what each of the programs would do."""
    from mlspec.compiler import compile_project
    from tests.aws_models import keep_models

    for name in _PRELOADED:
        importlib.import_module(name)
    compile_project(CHECKOUT / "specs" / "full" / "mlproject.yaml")  # builds the models of all sections
    keep_models()
    if present := GONE & {name.partition(".")[0] for name in sys.modules}:
        raise ImportError(f"this Python has packages that it must lack: {present}")
