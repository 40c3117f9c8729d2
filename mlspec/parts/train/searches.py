"""What training finds before it begins: precision, batch size, learning rate, which replace the keys of the spec.

The random generators are restored afterwards: training runs as if the spec had the values. They are saved beside the
checkpoint, so that a resumed run does not search again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from pytorch_lightning.utilities.seed import isolate_rng

from mlspec.job import Job, write_json
from mlspec.learning import ranks
from mlspec.parts.train.precision_choice import chosen
from mlspec.parts.train.tuned_values import with_values
from mlspec.parts.train.tuning import Material, Search
from mlspec.records.training import Tuned
from mlspec.sections.train import TrainSpec, Tune

FILE: Final = "tuned.json"


def tuned(job: Job, material: Material) -> Tuned | None:
    """The values that an earlier run of this training found, or the result of a search; None if the spec has all.

    Raises StageError if a value cannot be searched, or none is found.
    """
    train = job.need(TrainSpec)
    tune, auto = train.search or Tune(batch_size=None, learning_rate=None), train.precision == "auto"
    if not auto and tune.batch_size is None and tune.learning_rate is None:
        return None
    path = material.scratch / FILE
    result = Tuned.model_validate(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Tuned()
    with isolate_rng():
        if auto and result.precision is None:
            result = _merged(path, result, chosen(job, material))
        if tune.batch_size is not None and result.batch_size is None:
            result = _merged(path, result, Search(with_values(job, result), material).batch_size(tune.batch_size))
        if tune.learning_rate is not None and result.learning_rate is None:
            rate = Search(with_values(job, result), material).learning_rate(tune.learning_rate)
            result = _merged(path, result, Tuned(learning_rate=rate))
    return result


def _merged(path: Path, result: Tuned, new: Tuned) -> Tuned:
    """Both, saved."""
    result = result.model_copy(update=new.model_dump(exclude_none=True))
    if ranks.first():
        write_json(path, result.model_dump(mode="json"))
    return result
