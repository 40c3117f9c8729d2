"""Options of the `track` section: one key for each tracker, in any combination."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from mlspec.sections.mlflow import Dagshub, Mlflow
from mlspec.sections.tracker import TrackerOptions
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import SecretRef


class Wandb(TrackerOptions):
    """Weights & Biases."""

    EXTRA = "wandb"
    SERVICE = "https://api.wandb.ai"

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
    mlflow: Mlflow | None = Field(None, description="An MLflow server")
    dagshub: Dagshub | None = Field(None, description="The MLflow server of a DagsHub repository")

    @property
    def trackers(self) -> Mapping[str, TrackerOptions]:
        """The options of each tracker that the spec has, by its key."""
        options = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in options.items() if isinstance(value, TrackerOptions)}


def tracked_extras(track: TrackSpec | None) -> list[str]:
    """The extras of `mlspec` that the trackers need, each once."""
    return list(dict.fromkeys(tracker.EXTRA for tracker in track.trackers.values())) if track is not None else []
