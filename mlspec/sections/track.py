"""Options of the `track` section."""

from typing import Literal

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import SecretRef


class Wandb(SpecModel):
    """Weights & Biases."""

    project: str = Field(description="W&B project of the runs", min_length=1, max_length=128, examples=["cola"])
    entity: str | None = Field(None, description="W&B team or user that owns the project")
    mode: Literal["online", "offline", "disabled"] = Field(
        "offline", description="offline needs no account; `wandb sync` uploads the runs later"
    )
    api_key: SecretRef = Field(
        SecretRef(env="WANDB_API_KEY"), description="Environment variable that contains the API key, for `mode: online`"
    )
    tags: list[str] = Field([], description="Tags of the runs")
    group: str | None = Field(None, description="Name that groups runs")
    log_model: bool = Field(True, description="Upload the trained model as an artifact of the run")


class TrackSpec(SpecModel):
    """Experiment tracking, in addition to the files in artifacts/ that are always written."""

    wandb: Wandb | None = Field(None, description="Weights & Biases")
