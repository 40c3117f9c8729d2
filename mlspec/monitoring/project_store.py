"""The prediction store of a project: its folder, the signature of its bundle, and its reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlspec.errors import StageError
from mlspec.records.bundle_signature import BundleSignature

if TYPE_CHECKING:
    from mlspec.monitoring.prediction_store import PredictionStore
    from mlspec.monitoring.reference import Reference

FOLDER: Final = ".mlspec/monitor"
"""Where servers write their log and the store keeps its files, within the project."""


def project_store(root: Path, folder: str = FOLDER, *, hashed: frozenset[str] = frozenset()) -> PredictionStore:
    """The store of the project in `root`. Raises StageError if the model was not exported, or a package is missing."""
    with needed_packages():
        from mlspec.monitoring.prediction_store import PredictionStore
    artifacts, place = root / "artifacts", root / folder
    return PredictionStore(
        place, BundleSignature.read(artifacts), hashed=hashed, reference=_reference(artifacts, place / "state")
    )


@contextmanager
def needed_packages() -> Iterator[None]:
    """Turn the absence of a package of the extra `monitor` into a StageError."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StageError(f"monitoring needs the package {error.name}", help="pip install 'mlspec[monitor]'") from None


def _reference(artifacts: Path, state: Path) -> Reference | None:
    """The reference; None where the project was not trained here and none was carried here."""
    from mlspec.monitoring.compute_reference import project_reference

    try:
        return project_reference(artifacts, state)
    except StageError:
        return None
