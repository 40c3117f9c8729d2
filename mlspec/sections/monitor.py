"""Options of `monitor`: the prediction log, drift detection and alerts."""

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from mlspec.sections.monitor_alerts import Alerts
from mlspec.sections.monitor_drift import Drift
from mlspec.sections.monitor_elasticsearch import Elasticsearch
from mlspec.sections.monitor_labels import Labels
from mlspec.sections.monitor_log import Log
from mlspec.sections.monitor_notify import Notify
from mlspec.sections.monitor_prometheus import Prometheus
from mlspec.sections.monitor_quality import Quality
from mlspec.sections.monitor_retrain import Retrain
from mlspec.spec.spec_model import SpecModel


class Monitor(SpecModel):
    """Monitoring: the prediction log, dashboards, drift detection and alerts."""

    UNREAD_KEYS: ClassVar[frozenset[str]] = frozenset(
        {"prometheus", "drift", "labels", "quality", "notify", "on_drift", "retrain"}
    )

    def unread_keys(self) -> frozenset[str]:
        """Without Elasticsearch all: a stage only installs what is in it."""
        return self.UNREAD_KEYS if self.elasticsearch is not None else frozenset(type(self).model_fields)

    log: Log = Field(default_factory=Log, description="What the servers store of each prediction")
    elasticsearch: Elasticsearch | None = Field(
        None, description="Store predictions in Elasticsearch, with dashboards in Kibana"
    )
    prometheus: Prometheus | None = Field(
        None, description="Alert rules for Prometheus, routes for Alertmanager and a dashboard for Grafana"
    )
    drift: Drift | None = Field(None, description="Compare live data with the training data")
    alerts: Alerts = Field(default_factory=Alerts, description="Alert rules of Kibana and Prometheus")
    labels: Labels | None = Field(None, description="Where labels come from that arrive after their predictions")
    quality: Quality = Field(default_factory=Quality, description="Quality on labelled predictions")
    notify: Notify = Field(
        default_factory=Notify, description="Who is notified when an alarm begins and when it clears"
    )
    on_drift: Literal["alert", "retrain"] = Field(
        "alert", description="What an alarm about drift or quality leads to: a notification, or a new training too"
    )
    retrain: Retrain = Field(default_factory=Retrain, description="Limits of the training that an alarm starts")

    @property
    def sample(self) -> float:
        """Fraction of the successful predictions that is stored."""
        earlier = self.elasticsearch.sample if self.elasticsearch else None
        return self.log.sample if earlier is None else earlier

    @property
    def low_confidence(self) -> float:
        """Score below which a prediction counts as low-confidence."""
        earlier = self.elasticsearch.low_confidence if self.elasticsearch else None
        return self.log.low_confidence if earlier is None else earlier

    def storage(self, columns: Iterable[str]) -> dict[str, Literal["full", "hashed", "redacted"]]:
        """What is stored of each input."""
        usual: Literal["full", "hashed", "redacted"] = "redacted" if self.log.inputs == "none" else self.log.inputs
        hidden = set(self.elasticsearch.redact) if self.elasticsearch else set()
        return {name: "redacted" if name in hidden else self.log.columns.get(name, usual) for name in columns}
