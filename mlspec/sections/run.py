"""Options of `run`: how often, how long and with what the stages run."""

from typing import ClassVar

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Duration, Size


class StageRun(SpecModel):
    """What one stage needs."""

    timeout: Duration | None = Field(None, description="Time limit of the stage; default: `run.timeout`")
    retries: int | None = Field(
        None, ge=0, le=10, description="How often an orchestrator repeats the stage; default: `run.retries`"
    )
    cpus: float | None = Field(None, gt=0, le=1024, description="Processors that the stage needs", examples=[4])
    memory: Size | None = Field(None, description="Memory that the stage needs")
    gpus: int | None = Field(None, ge=0, le=64, description="GPUs that the stage needs")


class RunSpec(SpecModel):
    """How stages run: time limits, retries and resources. They change no result, so no stage runs again for them."""

    READ_BY_STAGES: ClassVar[bool] = False

    timeout: Duration | None = Field(
        None, description="Time limit of each stage; mlspec stops a stage that exceeds it. Default: none"
    )
    retries: int = Field(
        0, ge=0, le=10, description="How often an orchestrator repeats a stage that failed; a failed check never is"
    )
    retry_delay: Duration = Field("1m", description="Time between two tries")
    resources: dict[str, StageRun] = Field(
        {}, description="Stage to its own values", examples=[{"train": {"timeout": "6h", "memory": "16GB", "gpus": 1}}]
    )
