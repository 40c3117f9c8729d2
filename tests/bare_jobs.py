"""Jobs of a workflow that install `mlspec[aws]` alone: for act, a Python without the packages that train and run models.

All other jobs have the programs of `real_programs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.conftest import CHECKOUT
from tests.warm_python import WarmPython
from tests.workflow_runner import write_program

_PYTHON: Final = """\
#!/bin/bash
if [ "$1 $2" = "-m pip" ]; then
  case "$PACKAGES" in
    "mlspec[aws]"*)
      printf '%s\\n' "PYTHONPATH={bare}:{checkout}"{variables} >> "$GITHUB_ENV"
      echo "{programs}" >> "$GITHUB_PATH"
      ;;
  esac
  exit 0
fi
exec {python} "$@"
"""
_MLSPEC: Final = """\
#!/bin/bash
code=0
{bare}/mlspec "$@" || code=$?
{after}
exit $code
"""


def bare_jobs(
    folder: Path, python: str, bare: WarmPython, after: str = "", variables: Mapping[str, str] | None = None
) -> None:
    """Give the workflows below `folder` (that of `Workflows`) the programs of `bare`, besides the program `python`.

    In these jobs `variables` are set, and `after` is what a shell runs after each `mlspec` in the project's folder: act
    removes the folder of a job.
    """
    programs = folder / "bare"
    more = "".join(f' "{name}={value}"' for name, value in (variables or {}).items())
    program = _PYTHON.format(bare=bare.bin, programs=programs, checkout=CHECKOUT, python=python, variables=more)
    write_program(folder / "bin" / "python", program)
    write_program(programs / "mlspec", _MLSPEC.format(bare=bare.bin, after=after))
