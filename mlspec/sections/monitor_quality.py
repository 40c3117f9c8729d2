"""Options of `monitor.quality`: when a fall of the quality on labelled predictions is an alarm."""

from pydantic import Field

from mlspec.sections.monitor_slice import Slices
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Rate


class Quality(SpecModel):
    """Quality on labelled predictions: the loss of each row is compared with that on the test split."""

    tolerance: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Largest rise of the loss that raises no alarm: of the share of wrong labels, or of the mean "
        "absolute error in units of two standard deviations of the true values",
    )
    false_alarms: Rate = Field(
        "1 per 90d",
        description="How often an alarm may be raised while the quality is unchanged",
        examples=["1 per 90d", "2 per 52w"],
    )
    slices: Slices = Field(
        [],
        description="Inputs to slice by, or slices by name, whose quality is shown and compared; default: those of "
        "`monitor.drift.slices`, else the values of inputs with few of them",
        examples=[{"length": {"column": "sentence", "by": "length", "bins": [20, 40]}, "month": {"by": "month"}}],
    )
