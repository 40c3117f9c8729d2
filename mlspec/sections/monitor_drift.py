"""Options of `monitor.drift`: how live data is compared with the training data."""

from pydantic import Field

from mlspec.spec.cron import Cron
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Duration


class Threshold(SpecModel):
    """Largest allowed difference from the training data. Effect sizes: more rows alone never raise an alert."""

    psi: float = Field(0.2, gt=0, description="Population stability index (PSI) of any input or of the predictions")
    missing: float = Field(0.1, gt=0, le=1, description="Increase of the fraction of missing values")
    unseen: float = Field(
        0.05, gt=0, le=1, description="Fraction of values in categories that do not occur in the training data"
    )


class Drift(SpecModel):
    """Drift detection: live data is compared with the training data."""

    window: Duration = Field("1d", description="Time range of live data to compare")
    min_rows: int = Field(
        200, ge=20, description="Smallest number of rows to compare; with fewer, drift is not computed"
    )
    threshold: Threshold = Field(
        default_factory=Threshold, description="Largest allowed difference from the training data"
    )
    schedule: Cron | None = Field(
        None,
        description="When to compare, as a cron expression in UTC; default: only when run manually",
    )
