"""Jobs of a workflow that install `mlspec[aws]` alone: for act, a Python without the packages that train and run models.

All other jobs have the programs of `real_programs`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.conftest import CHECKOUT
from tests.workflow_runner import write_program

_BARE: Final = """\
import importlib.abc, importlib.metadata, sys

GONE = {"dvc", "numpy", "onnx", "onnxruntime", "pyarrow", "pytorch-lightning", "tokenizers", "torch", "transformers"}
version = importlib.metadata.version

def found(name):
    if name in GONE:
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)

class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

importlib.metadata.version = found
sys.meta_path.insert(0, Gone())
"""
"""A `sitecustomize` that makes a Python without these packages."""
_PYTHON: Final = """\
#!/bin/bash
if [ "$1 $2" = "-m pip" ]; then
  case "$PACKAGES" in
    "mlspec[aws]"*)
      printf '%s\\n' "PYTHONPATH={bare}:{checkout}"{variables} >> "$GITHUB_ENV"
      echo "{bare}/bin" >> "$GITHUB_PATH"
      ;;
  esac
  exit 0
fi
exec {python} "$@"
"""
_MLSPEC: Final = """\
#!/bin/bash
code=0
{python} -m mlspec "$@" || code=$?
{after}
exit $code
"""


def bare_jobs(folder: Path, python: str, after: str = "", variables: Mapping[str, str] | None = None) -> None:
    """Give the workflows below `folder` (that of `Workflows`) such a Python, besides the program `python`.

    In these jobs `variables` are set, and `after` is what a shell runs after each `mlspec` in the project's folder: act
    removes the folder of a job.
    """
    bare = folder / "bare"
    more = "".join(f' "{name}={value}"' for name, value in (variables or {}).items())
    program = _PYTHON.format(bare=bare, checkout=CHECKOUT, python=python, variables=more)
    write_program(folder / "bin" / "python", program)
    write_program(bare / "bin" / "mlspec", _MLSPEC.format(python=sys.executable, after=after))
    (bare / "sitecustomize.py").write_text(_BARE, encoding="utf-8")
