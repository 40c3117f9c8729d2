"""The preprocessing of training, evaluation and serving: rows to the input arrays of the model."""

from mlspec.runtime.preprocess.base import Feature, Preprocess
from mlspec.runtime.preprocess.mixed import load

__all__ = ["Feature", "Preprocess", "load"]
