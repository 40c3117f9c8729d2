"""The one preprocessing path that training, evaluation and serving share: rows to the model's input arrays."""

from mlspec.runtime.preprocess.base import Feature, Preprocess
from mlspec.runtime.preprocess.mixed import load

__all__ = ["Feature", "Preprocess", "load"]
