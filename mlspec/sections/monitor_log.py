"""Options of `monitor.log`: which predictions the servers store, and what of their inputs."""

from typing import ClassVar, Literal

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Duration


class Log(SpecModel):
    """The prediction log: one record for each prediction of a server, a function or a program."""

    UNREAD_KEYS: ClassVar[frozenset[str]] = frozenset({"folder", "retention", "sample", "flush"})

    folder: str = Field(
        ".mlspec/monitor",
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="Folder where the server writes and `mlspec monitor` reads; `compose.yaml` mounts it into the "
        "container as `/var/lib/mlspec`",
    )
    retention: Duration = Field("90d", description="How long predictions are stored in the folder")
    sample: float = Field(
        1.0, gt=0, le=1, description="Fraction of the successful predictions to store; failures are always stored"
    )
    inputs: Literal["full", "hashed", "none"] = Field(
        "full", description="What is stored of an input: its value, a hash of it, or nothing but the length of a text"
    )
    columns: dict[str, Literal["full", "hashed", "redacted"]] = Field(
        {}, description="What is stored of single inputs", examples=[{"sentence": "hashed", "age": "redacted"}]
    )
    flush: Duration = Field("1s", description="At most this much is lost when a server is killed")
    low_confidence: float = Field(0.5, ge=0, le=1, description="Predictions with a lower score count as low-confidence")
