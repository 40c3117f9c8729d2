"""Options of `monitor.alerts`: bounds on what the service does."""

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Bound, Duration


class Alerts(SpecModel):
    """Kibana alert rules."""

    error_rate: Bound | None = Field("> 0.05", description="Fraction of requests that failed")
    p95_ms: Bound | None = Field(None, description="95th percentile of the latency in ms")
    unsure_rate: Bound | None = Field(None, description="Fraction of low-confidence predictions")
    silence: Duration | None = Field(None, description="Alert if no request arrives for this long")
    window: Duration = Field("15m", description="Time range that a rule evaluates")
    interval: Duration = Field("5m", description="How often the rules run")
    min_requests: int = Field(50, ge=1, description="Smallest number of requests in the window that can raise an alert")
