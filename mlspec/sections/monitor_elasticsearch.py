"""Options of `monitor.elasticsearch`: where predictions go, and how long they stay."""

from typing import Annotated, ClassVar

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Duration, SecretRef, Size

Url = Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]


class Elasticsearch(SpecModel):
    """The Elasticsearch cluster that stores predictions."""

    UNREAD_KEYS: ClassVar[frozenset[str]] = frozenset({"sample", "spool"})

    url: Url | SecretRef = Field(
        SecretRef(env="ELASTIC_URL"), description="URL of Elasticsearch, or the environment variable that contains it"
    )
    api_key: SecretRef = Field(
        SecretRef(env="ELASTIC_API_KEY"), description="Environment variable that contains the API key"
    )
    kibana_url: Url | SecretRef | None = Field(
        None,
        description="URL of Kibana, with `/s/NAME` for a space of its own; without it, no dashboard or alert rule is "
        "installed",
    )
    namespace: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9._]{0,99})?$",
        description="Last part of the name of the data stream; default: the environment, or `default`",
    )
    index: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9._-]{0,199})?$",
        description="Name of the data stream; default: predictions-PROJECT-NAMESPACE",
    )
    retention: Duration = Field("30d", description="How long predictions are stored")
    sample: float | None = Field(
        None, gt=0, le=1, description="Use monitor.log.sample instead", json_schema_extra={"deprecated": True}
    )
    redact: list[str] = Field(
        [],
        description="Use monitor.log.columns instead: {NAME: redacted}",
        examples=[["sentence"]],
        json_schema_extra={"deprecated": True},
    )
    low_confidence: float | None = Field(
        None, ge=0, le=1, description="Use monitor.log.low_confidence instead", json_schema_extra={"deprecated": True}
    )
    ids: bool = Field(
        True,
        description="Give each document an id, so that a retry stores it once; false for OpenSearch Serverless, which "
        "refuses ids in time-series collections",
    )
    spool: Size = Field(
        "256MB", description="Largest size of the predictions that a server keeps on disk while Elasticsearch is down"
    )
    replicas: int | None = Field(
        None, ge=0, le=5, description="Replicas of each shard; 0 on a single node; default: as the cluster decides"
    )
