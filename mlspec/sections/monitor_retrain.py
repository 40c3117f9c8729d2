"""Options of `monitor.retrain`: when a new model is trained on labelled predictions, and when it is released."""

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Duration


class Retrain(SpecModel):
    """Limits of the training that an alarm starts. The new model is released only if it wins on rows new to both."""

    min_rows: int = Field(
        200,
        ge=20,
        description="Labelled predictions that are needed and have not compared models in an earlier training",
    )
    holdout: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="Fraction of them that the new model does not train on: the two models are compared on these",
    )
    cooldown: Duration = Field("1d", description="Shortest time between two trainings")
    per_week: int = Field(2, ge=1, le=100, description="Most trainings in 7 days; with more, a person has to look")
    approve: bool = Field(False, description="Whether a person has to approve the release: `mlspec monitor approve`")
    confidence: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="Confidence with which the new model must be better to be released, over all trainings against one "
        "current model",
    )
