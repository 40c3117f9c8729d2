"""A package that is not installed, to the extra of mlspec that has it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Final

from mlspec.errors import StageError, UnobservableError

_EXTRAS: Final = {
    "monitor": "monitor", "labels": "monitor", "serve": "serve", "releases": "aws", "why": "aws", "rollback": "aws",
    "destroy": "aws", "lock": "lock",
}  # fmt: skip
"""The extra that a command needs; all others need `train`."""
_OF_ONE_EXTRA: Final = {
    "boto3": "aws", "botocore": "aws", "duckdb": "monitor", "sklearn": "monitor", "scipy": "monitor",
    "elasticsearch": "elastic", "elastic_transport": "elastic", "moto": "local", "optuna": "sweep", "wandb": "wandb",
    "mlflow": "mlflow", "s3fs": "s3", "model_signing": "sign", "picklescan": "audit",
}  # fmt: skip
"""The extra of a module that only one has."""


def missing_package(error: BaseException, arguments: Sequence[str]) -> StageError | None:
    """The error for the user if a package is not installed; None for other exceptions, which are bugs."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    package = error.name.partition(".")[0]
    if package == "mlspec" or importlib.util.find_spec(package) is not None:
        return None
    command = next(iter(arguments), "")
    extra = _OF_ONE_EXTRA.get(package) or _EXTRAS.get(command, "train")
    what = f"`mlspec {command}`" if command else "the command"
    kind = UnobservableError if command in ("monitor", "labels") else StageError
    return kind(f"{what} needs the package {package}", help=f"pip install 'mlspec[{extra}]'")
