"""A bundle in a Python program, with the prediction log: the same records as those of the server.

with LoggedModel("artifacts/bundle") as model:
    model.predict([{"sentence": "The cat sat."}])
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from mlspec.runtime import log_policy, log_setup
from mlspec.runtime.predictor import Prediction
from mlspec.runtime.service import load


class LoggedModel:
    """Predicts with the bundle in `folder`. Thread-safe. Raises BundleError."""

    def __init__(self, folder: str | Path, environment: Mapping[str, str] = os.environ) -> None:
        self.service = load(Path(folder), environment=environment)
        self._log = log_setup.attach(self.service, "python", Path(folder).parent / log_policy.FILE, environment)
        if self._log is not None:
            self._log.start()

    def predict(self, rows: Sequence[Mapping[str, object]], *, request_id: str | None = None) -> Sequence[Prediction]:
        """One prediction per row, in order. Raises RefusedError for rows that do not match the signature."""
        return self.service.predict([dict(row) for row in rows], request_id=request_id)

    def close(self) -> None:
        """Write what is queued, and complete the files."""
        if self._log is not None:
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()
