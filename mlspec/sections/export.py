"""Options of the `export` section."""

from typing import Annotated, Literal

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Size


class Onnx(SpecModel):
    """The ONNX graph, and what it must prove before it is served."""

    opset: int = Field(18, ge=1, description="Version of the ONNX operators")
    tolerance: float = Field(
        1e-4,
        gt=0,
        le=1,
        description="Largest difference from PyTorch's outputs, as a part of the largest of them where that is above 1",
    )
    batch_sizes: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        [1, 2, 7, 32], min_length=1, description="Batch sizes at which graph and PyTorch are compared"
    )
    quantize: Literal["none", "int8"] = Field("none", description="Whether weights become 8-bit integers")
    max_metric_drop: float | None = Field(
        None, ge=0, description="How much worse the metric may be with `quantize: int8`; default: 0.01"
    )
    max_size: Size | None = Field(None, description="Largest model.onnx")


class ExportSpec(SpecModel):
    """Export to a bundle: an ONNX graph with its preprocessing, signature and lineage."""

    onnx: Onnx = Field(Onnx(), description="The ONNX graph, and what it must prove before it is served")
