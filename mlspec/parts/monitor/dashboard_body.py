"""The dashboard as the body of `PUT /api/dashboards/{id}`, the API of Kibana 9.5. Pure."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from mlspec.monitoring.queries.dashboard_model import Panel
from mlspec.monitoring.queries.measure import Unit
from mlspec.parts.monitor.panels import VERSION, ChartLayer, ChartValue, DashboardSource, shown_limit, values

Body = dict[str, JsonValue]
REFRESH: Final = 60_000
"""Milliseconds between two updates of an open dashboard."""
_FORMATS: Final[dict[Unit, Body]] = {
    "count": {"type": "number", "decimals": 0},
    "per_second": {"type": "number", "decimals": 2, "suffix": "/s"},
    "fraction": {"type": "percent", "decimals": 2},
    "milliseconds": {"type": "number", "decimals": 1, "suffix": " ms"},
    "number": {"type": "number", "decimals": 3},
}


_UNTITLED: Final[Body] = {"title": {"visible": False}}
"""The title of the panel names what the axis shows, with the unit at its numbers."""
_AXES: Final[Body] = {
    "x": {**_UNTITLED, "grid": {"visible": False}},
    "y": {**_UNTITLED, "domain": {"type": "full"}},
    "y2": {**_UNTITLED, "domain": {"type": "full"}, "grid": {"visible": False}, "ticks": {"visible": False}},
}
"""The second axis has only marks of deployments, whose height says nothing."""


def dashboard_body(source: DashboardSource, data_view: str) -> Body:
    """The whole dashboard, each panel with its query inside. The control of versions filters all of them."""
    shown = source.dashboard
    return {
        "title": shown.title,
        "description": shown.description,
        "tags": list(source.tags),
        "time_range": {"from": "now-24h", "to": "now"},
        "refresh_interval": {"pause": False, "value": REFRESH},
        "query": {"expression": "", "language": "kql"},
        "options": {"use_margins": True, "sync_colors": True, "sync_cursor": True},
        "pinned_panels": [_versions(data_view), {"type": "time_slider_control", "id": "time", "config": {}}],
        "panels": [_panel(source, panel) for panel in shown.panels],
    }


def _versions(data_view: str) -> Body:
    config: Body = {"title": "Version", "data_view_id": data_view, "field_name": VERSION}
    return {"type": "options_list_control", "id": "version", "width": "medium", "grow": False, "config": config}


def _panel(source: DashboardSource, panel: Panel) -> Body:
    place = panel.place
    common: Body = {"title": panel.title, "description": panel.question}
    grid: Body = {"x": place.x, "y": place.y, "w": place.width, "h": place.height}
    return {"type": "vis", "id": panel.id, "grid": grid, "config": {**common, **_chart(source, panel)}}


def _chart(source: DashboardSource, panel: Panel) -> Body:
    query = source.query(panel)
    data_source: Body = {"type": "esql", "query": query.text}
    if panel.chart == "number":
        limit = shown_limit(panel)
        primary = {**_value(values(query)[0]), "type": "primary", **({"subtitle": limit} if limit else {})}
        return {"type": "metric", "data_source": data_source, "metrics": [primary]}
    if panel.chart == "table":
        rows: list[JsonValue] = [{"column": group} for group in query.groups]
        metrics: list[JsonValue] = [_value(value) for value in values(query)]
        return {"type": "data_table", "data_source": data_source, "rows": rows, "metrics": metrics}
    return {
        "type": "xy",
        "legend": {"visibility": "visible", "placement": "outside", "position": "right"},
        "axis": _AXES,
        "styling": {"fitting": {"type": "none"}},
        "layers": [_layer(layer) for layer in source.layers(panel)],
    }


def _layer(layer: ChartLayer) -> Body:
    axis: Body = {"axis": "y2"} if layer.second else {}
    return {
        "type": layer.shape,
        "data_source": {"type": "esql", "query": layer.query},
        "x": {"column": layer.x},
        "y": [{**_value(value), **axis} for value in layer.values],
        **({"breakdown_by": {"column": layer.breakdown}} if layer.breakdown else {}),
    }


def _value(value: ChartValue) -> Body:
    return {"column": value.column, "label": value.label, "format": _FORMATS[value.unit]}
