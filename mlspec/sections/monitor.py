"""Options of `monitor`: the prediction log, drift detection and alerts."""

from typing import ClassVar

from pydantic import Field

from mlspec.sections.monitor_alerts import Alerts
from mlspec.sections.monitor_drift import Drift
from mlspec.sections.monitor_elasticsearch import Elasticsearch
from mlspec.sections.monitor_prometheus import Prometheus
from mlspec.spec.spec_model import SpecModel


class Monitor(SpecModel):
    """Monitoring: the prediction log, dashboards, drift detection and alerts."""

    READ_BY_STAGES: ClassVar[bool] = False

    elasticsearch: Elasticsearch | None = Field(
        None, description="Store predictions in Elasticsearch, with dashboards in Kibana"
    )
    prometheus: Prometheus | None = Field(
        None, description="Alert rules for Prometheus, routes for Alertmanager and a dashboard for Grafana"
    )
    drift: Drift | None = Field(None, description="Compare live data with the training data")
    alerts: Alerts = Field(default_factory=Alerts, description="Alert rules of Kibana and Prometheus")
