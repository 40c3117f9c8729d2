"""Options of `monitor.alerts`: bounds on what the service does."""

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Bound, Duration


class Alerts(SpecModel):
    """Alert rules. Each version is judged by itself, so that the errors of a canary are not averaged away."""

    error_rate: Bound | None = Field(
        "> 0.05", description="Fraction of requests that failed (5xx)", examples=["> 0.05"]
    )
    refused_rate: Bound | None = Field(
        None,
        description="Fraction of requests that were refused because of the request itself (4xx)",
        examples=["> 0.1"],
    )
    timeout_rate: Bound | None = Field(
        None, description="Fraction of requests that timed out (408, 504)", examples=["> 0.01"]
    )
    throttled_rate: Bound | None = Field(
        None, description="Fraction of requests that were throttled (429, 503)", examples=["> 0.01"]
    )
    p95_ms: Bound | None = Field(None, description="95th percentile of the latency in ms", examples=["> 500"])
    unsure_rate: Bound | None = Field(None, description="Fraction of low-confidence predictions", examples=["> 0.3"])
    missing_rate: Bound | None = Field(None, description="Fraction of missing values of any input", examples=["> 0.1"])
    unseen_rate: Bound | None = Field(
        None,
        description="Fraction of values of any category input that do not occur in the training data",
        examples=["> 0.05"],
    )
    silence: Duration | None = Field(None, description="Alert if no request arrives for this long")
    window: Duration = Field("15m", description="Time range that a rule evaluates")
    interval: Duration = Field("5m", description="How often the rules run")
    min_requests: int = Field(50, ge=1, description="Smallest number of requests in the window that can raise an alert")
