"""What serves a bundle: numpy, onnxruntime, tokenizers and pillow; never torch, nor anything of mlspec beyond this."""

from mlspec.runtime.predictor import Predictor
from mlspec.runtime.preprocess.bundle_errors import BadRow, BundleError

__all__ = ["BadRow", "BundleError", "Predictor"]
