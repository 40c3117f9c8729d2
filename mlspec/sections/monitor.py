"""Options of `monitor`: what is kept of every prediction, when it counts as drift, and what raises an alarm."""

from typing import Annotated, ClassVar

from pydantic import Field

from mlspec.spec.cron import Cron
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Bound, Duration, SecretRef

Url = Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]


class Elasticsearch(SpecModel):
    """Where predictions are kept."""

    url: Url | SecretRef = Field(
        SecretRef(env="ELASTIC_URL"), description="Address of Elasticsearch, or the variable that holds it"
    )
    api_key: SecretRef = Field(SecretRef(env="ELASTIC_API_KEY"), description="Variable that holds the API key")
    index: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9._-]{0,199})?$",
        description="Name of the data stream; predictions-PROJECT when left out",
    )
    retention: Duration = Field("30d", description="How long a prediction is kept")
    sample: float = Field(1.0, gt=0, le=1, description="Share of the predictions that are kept; errors always are")
    redact: list[str] = Field([], description="Inputs whose values never leave the server", examples=[["sentence"]])
    low_confidence: float = Field(0.5, ge=0, le=1, description="A prediction with a lower score counts as unsure")
    replicas: int = Field(1, ge=0, le=5, description="Copies of each shard; 0 on a single node")


class Threshold(SpecModel):
    """How far a column may move from the training data. Effect sizes, so that many rows alone are no alarm."""

    psi: float = Field(0.2, gt=0, description="Population stability index of any input or of the predictions")
    missing: float = Field(0.1, gt=0, le=1, description="Rise of the share of missing values")
    unseen: float = Field(0.05, gt=0, le=1, description="Share of categories that training never saw")


class Drift(SpecModel):
    """When live data counts as different from the training data."""

    window: Duration = Field("1d", description="Stretch of live data that is compared")
    min_rows: int = Field(200, ge=20, description="Fewer rows than that are not judged")
    threshold: Threshold = Field(default_factory=Threshold, description="How far a column may move")
    schedule: Cron | None = Field(None, description="When to compare, in UTC; by hand when left out")


class Alerts(SpecModel):
    """What raises an alarm in Kibana."""

    error_rate: Bound | None = Field("> 0.05", description="Share of requests that the model failed on")
    p95_ms: Bound | None = Field(None, description="95th percentile of the time of an answer, in ms")
    unsure_rate: Bound | None = Field(None, description="Share of predictions with a low score")
    silence: Duration | None = Field(None, description="No request for so long is an alarm too")
    window: Duration = Field("15m", description="Stretch that is looked at")
    interval: Duration = Field("5m", description="How often it is looked at")
    min_requests: int = Field(50, ge=1, description="Fewer requests in the window than that raise no alarm")


class Monitor(SpecModel):
    """Monitoring: what is kept of every prediction, where it is seen, and what raises an alarm."""

    READ_BY_STAGES: ClassVar[bool] = False

    elasticsearch: Elasticsearch | None = Field(
        None, description="Keep predictions in Elasticsearch, see them in Kibana"
    )
    drift: Drift | None = Field(None, description="Compare live data with the training data")
    alerts: Alerts = Field(default_factory=Alerts, description="What raises an alarm in Kibana")
