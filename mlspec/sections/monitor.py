"""Options of `monitor`: the prediction log, drift detection and alerts."""

from typing import Literal

from pydantic import Field

from mlspec.sections.monitor_alerts import Alerts
from mlspec.sections.monitor_drift import Drift
from mlspec.sections.monitor_elasticsearch import Elasticsearch
from mlspec.sections.monitor_notify import Notify
from mlspec.sections.monitor_retrain import Retrain
from mlspec.spec.spec_model import SpecModel


class Monitor(SpecModel):
    """Monitoring: the prediction log, dashboards, drift detection and alerts."""

    elasticsearch: Elasticsearch | None = Field(
        None, description="Store predictions in Elasticsearch, with dashboards in Kibana"
    )
    drift: Drift | None = Field(None, description="Compare live data with the training data")
    alerts: Alerts = Field(default_factory=Alerts, description="Kibana alert rules")
    notify: Notify = Field(
        default_factory=Notify, description="Who is notified when an alarm begins and when it clears"
    )
    on_drift: Literal["alert", "retrain"] = Field(
        "alert", description="What an alarm about drift or quality leads to: a notification, or a new training too"
    )
    retrain: Retrain = Field(default_factory=Retrain, description="Limits of the training that an alarm starts")
