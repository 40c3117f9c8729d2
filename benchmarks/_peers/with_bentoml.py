"""The bundle behind BentoML, with its adaptive batching."""

import os
from typing import Any

import bentoml

from mlspec.runtime import Predictor


@bentoml.service(workers=int(os.environ["WORKERS"]), logging={"access": {"enabled": False}})
class Model:
    def __init__(self) -> None:
        self.model = Predictor(os.environ["BUNDLE"], threads=int(os.environ["THREADS"]))

    @bentoml.api(batchable=True, max_batch_size=int(os.environ["BATCH"]))
    def predict(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return self.model.predict(rows)
