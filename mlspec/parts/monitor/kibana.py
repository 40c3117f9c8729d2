"""What a spec has in Kibana: data view, dashboard and alert rules. Pure."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import JsonValue

from mlspec.monitoring.queries.alerts import alerts
from mlspec.monitoring.queries.dashboard_model import dashboard
from mlspec.monitoring.queries.query import ModelShape
from mlspec.parts.monitor.dashboard_body import dashboard_body
from mlspec.parts.monitor.panels import DashboardSource
from mlspec.parts.monitor.rules import AlertRule, alert_rules
from mlspec.parts.monitor.saved_dashboard import saved_objects, view_name
from mlspec.parts.monitor.slice_checks import may_be_judged
from mlspec.parts.monitor.stack_names import DEFAULT, SpecSections
from mlspec.parts.monitor.templates import stream_options
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.spec.project import ProjectInfo

Body = dict[str, JsonValue]


class KibanaObjects(NamedTuple):
    """The bodies, and the ids of the data view and the dashboard."""

    view_id: str
    dashboard_id: str
    source: DashboardSource
    rules: list[AlertRule]

    @property
    def data_view(self) -> Body:
        """Body of `POST /api/data_views/data_view`."""
        name = view_name(self.source.shape.project)
        view: Body = {"id": self.view_id, "title": self.source.stream, "name": name, "timeFieldName": "@timestamp"}
        return {"data_view": view, "override": True}

    @property
    def dashboard(self) -> Body:
        """Body of `PUT /api/dashboards/{id}`."""
        return dashboard_body(self.source, self.view_id)

    @property
    def saved(self) -> list[Body]:
        """Data view and dashboard as saved objects."""
        return saved_objects(self.source, self.view_id, self.dashboard_id)


def kibana_objects(spec: SpecSections) -> KibanaObjects:
    """The objects of a spec that has `monitor.elasticsearch`."""
    options, monitor = stream_options(spec), spec.need(Monitor)
    shape = model_shape(spec)
    elasticsearch = monitor.elasticsearch
    namespace = elasticsearch.namespace if elasticsearch else ""
    title = options.project if namespace in ("", DEFAULT) else f"{options.project} ({namespace})"
    fired = alerts(monitor.alerts, shape)
    shown = dashboard(shape, fired, title, options.description)
    source = DashboardSource(shown, shape, options.stream, options.reports, ("mlspec", options.project))
    dashboard_id = f"{options.stream}-dashboard"
    rules = alert_rules(fired, shape, title, options.stream, options.reports, dashboard_id)
    return KibanaObjects(f"{options.stream}-view", dashboard_id, source, rules)


def model_shape(spec: SpecSections) -> ModelShape:
    """What queries need to know about the model: documents have nothing of an input that is redacted."""
    data, monitor = spec.need(DataSpec), spec.need(Monitor)
    stored = monitor.storage(data.columns)
    return ModelShape(
        project=spec.need(ProjectInfo).name,
        task=data.task,
        inputs=tuple((name, column.type) for name, column in data.columns.items() if stored[name] != "redacted"),
        labels=tuple(data.target.names),
        low_confidence=monitor.low_confidence,
        unlisted=tuple(name for name, how in stored.items() if how == "hashed"),
        sliced=may_be_judged(monitor, data),
    )
