"""Options of `monitor`: the prediction log, drift detection and alerts."""

from typing import Annotated

from pydantic import Field

from mlspec.spec.cron import Cron
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Bound, Duration, SecretRef

Url = Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]


class Elasticsearch(SpecModel):
    """The Elasticsearch cluster that stores predictions."""

    url: Url | SecretRef = Field(
        SecretRef(env="ELASTIC_URL"), description="URL of Elasticsearch, or the environment variable that contains it"
    )
    api_key: SecretRef = Field(
        SecretRef(env="ELASTIC_API_KEY"), description="Environment variable that contains the API key"
    )
    index: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9._-]{0,199})?$",
        description="Name of the data stream; default: predictions-PROJECT",
    )
    retention: Duration = Field("30d", description="How long predictions are stored")
    sample: float = Field(1.0, gt=0, le=1, description="Fraction of the predictions to store; errors are always stored")
    redact: list[str] = Field(
        [], description="Inputs whose values are never sent to Elasticsearch", examples=[["sentence"]]
    )
    low_confidence: float = Field(0.5, ge=0, le=1, description="Predictions with a lower score count as low-confidence")
    replicas: int = Field(1, ge=0, le=5, description="Replicas of each shard; 0 on a single node")


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


class Alerts(SpecModel):
    """Kibana alert rules."""

    error_rate: Bound | None = Field("> 0.05", description="Fraction of requests that failed")
    p95_ms: Bound | None = Field(None, description="95th percentile of the latency in ms")
    unsure_rate: Bound | None = Field(None, description="Fraction of low-confidence predictions")
    silence: Duration | None = Field(None, description="Alert if no request arrives for this long")
    window: Duration = Field("15m", description="Time range that a rule evaluates")
    interval: Duration = Field("5m", description="How often the rules run")
    min_requests: int = Field(50, ge=1, description="Smallest number of requests in the window that can raise an alert")


class Monitor(SpecModel):
    """Monitoring: the prediction log, dashboards, drift detection and alerts."""

    elasticsearch: Elasticsearch | None = Field(
        None, description="Store predictions in Elasticsearch, with dashboards in Kibana"
    )
    drift: Drift | None = Field(None, description="Compare live data with the training data")
    alerts: Alerts = Field(default_factory=Alerts, description="Kibana alert rules")
