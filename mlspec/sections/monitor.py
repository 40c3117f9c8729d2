"""Options of `monitor`: the prediction log, drift detection and alerts."""

from pydantic import Field

from mlspec.sections.monitor_alerts import Alerts
from mlspec.sections.monitor_drift import Drift
from mlspec.sections.monitor_elasticsearch import Elasticsearch
from mlspec.spec.spec_model import SpecModel


class Monitor(SpecModel):
    """Monitoring: the prediction log, dashboards, drift detection and alerts."""

    elasticsearch: Elasticsearch | None = Field(
        None, description="Store predictions in Elasticsearch, with dashboards in Kibana"
    )
    drift: Drift | None = Field(None, description="Compare live data with the training data")
    alerts: Alerts = Field(default_factory=Alerts, description="Kibana alert rules")
