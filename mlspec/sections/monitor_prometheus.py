"""Options of `monitor.prometheus`: alert rules of Prometheus, receivers of Alertmanager, and a dashboard of Grafana."""

from typing import Annotated, Literal

from pydantic import Field

from mlspec.sections.monitor_elasticsearch import Url
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Duration, SecretRef

Target = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?:[0-9]{1,5}$")]
LabelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
LabelValue = Annotated[str, Field(pattern=r"^[^\x00-\x1f{}]{1,200}$")]
ImageName = Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]{0,299}$")]
Runbook = Annotated[str, Field(pattern=r"""^https?://[^\s{}"']+$""")]


class Prometheus(SpecModel):
    """Prometheus scrapes the server; Alertmanager sends its alerts to the channels of `monitor.notify`."""

    targets: list[Target] = Field(
        [],
        description="HOST:PORT of each server to scrape; default: the server of compose.yaml",
        examples=[["predict.internal:8080"]],
    )
    monitor_target: Target = Field(
        "pushgateway:9091",
        description="HOST:PORT where Prometheus reads drift and quality: a Pushgateway, or `mlspec monitor --serve`; "
        "default: the Pushgateway of compose.monitoring.yaml",
        examples=["monitor.internal:8090"],
    )
    pushgateway: Url | SecretRef | None = Field(
        None,
        description="URL of the Pushgateway that `mlspec monitor` sends drift and quality to, or the environment "
        "variable that contains it",
        examples=["http://127.0.0.1:9091"],
    )
    scrape_interval: Duration = Field("15s", description="How often the metrics are read")
    pending: Duration = Field("1m", description="How long a condition must hold before its alert fires")
    images: dict[Literal["prometheus", "alertmanager", "pushgateway", "grafana"], ImageName] = Field(
        {},
        description="Images of compose.monitoring.yaml, for example of your own registry or with a digest",
        examples=[{"prometheus": "registry.example.org/prometheus:v3.5.0"}],
    )
    labels: dict[LabelName, LabelValue] = Field(
        {}, description="Labels of all alerts, for routing", examples=[{"team": "search"}]
    )
    runbook: Runbook | None = Field(
        None, description="Base URL of your runbooks; the name of the alert is appended", examples=["https://wiki/run"]
    )
    repeat: Duration = Field("4h", description="How often an alert that still fires is sent again")
