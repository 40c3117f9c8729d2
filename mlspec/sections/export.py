"""Options of the `export` section."""

from typing import Annotated, Literal

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Size


class Onnx(SpecModel):
    """The ONNX graph, and the checks it must pass."""

    opset: int = Field(18, ge=1, description="ONNX opset version")
    tolerance: float = Field(
        1e-4,
        gt=0,
        le=1,
        description="Largest difference from PyTorch's outputs; relative to the largest output if that is above 1",
    )
    batch_sizes: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        [1, 2, 7, 32], min_length=1, description="Batch sizes at which the graph is compared with PyTorch"
    )
    quantize: Literal["none", "int8"] = Field("none", description="Weight quantization")
    max_metric_drop: float | None = Field(
        None, ge=0, description="Largest loss of the metric through `quantize: int8`; default: 0.01"
    )
    max_size: Size | None = Field(None, description="Largest size of model.onnx")


class ExportSpec(SpecModel):
    """Export to a bundle: an ONNX graph with its preprocessing, signature and lineage."""

    onnx: Onnx = Field(Onnx(), description="The ONNX graph, and the checks it must pass")
