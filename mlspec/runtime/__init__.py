"""Serves a bundle with numpy, onnxruntime, tokenizers and pillow. Imports neither torch nor other mlspec packages."""

from mlspec.runtime.predictor import Predictor
from mlspec.runtime.preprocess.bundle_errors import BadRow, BundleError

__all__ = ["BadRow", "BundleError", "Predictor"]
