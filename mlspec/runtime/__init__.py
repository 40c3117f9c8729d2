"""What serves a bundle: numpy, onnxruntime, tokenizers and pillow; never torch, nor anything of mlspec beyond this."""

from mlspec.runtime.errors import BadRow, BundleError
from mlspec.runtime.predictor import Predictor

__all__ = ["BadRow", "BundleError", "Predictor"]
