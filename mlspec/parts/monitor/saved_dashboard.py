"""The dashboard as saved objects, for a Kibana before 9.5: a data view and a dashboard with Lens panels. Pure.

https://www.elastic.co/docs/api/doc/kibana (saved objects import): importing twice with `overwrite` makes no duplicates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue

from mlspec.monitoring.queries.dashboard_model import Panel
from mlspec.monitoring.queries.measure import Unit
from mlspec.monitoring.queries.query import Grouping
from mlspec.parts.monitor.dashboard_body import REFRESH
from mlspec.parts.monitor.panels import VERSION, ChartLayer, ChartValue, DashboardSource, values

Body = dict[str, JsonValue]
_CORE: Final = "8.8.0"
"""Version of the format; a newer Kibana migrates older ones."""
_SERIES: Final = {"bar_percentage": "bar_percentage_stacked"}
_FORMATS: Final[dict[Unit, Body]] = {
    "count": {"id": "number", "params": {"decimals": 0}},
    "per_second": {"id": "number", "params": {"decimals": 2, "suffix": "/s"}},
    "fraction": {"id": "percent", "params": {"decimals": 2}},
    "milliseconds": {"id": "number", "params": {"decimals": 1, "suffix": " ms"}},
    "number": {"id": "number", "params": {"decimals": 3}},
}


def saved_objects(source: DashboardSource, data_view: str, dashboard: str) -> list[Body]:
    """The lines of an NDJSON file for Kibana's import."""
    return [_data_view(source, data_view), _dashboard(source, data_view, dashboard)]


def _data_view(source: DashboardSource, id: str) -> Body:
    attributes: Body = {"title": source.stream, "name": view_name(source.shape.project), "timeFieldName": "@timestamp"}
    return {
        "type": "index-pattern",
        "id": id,
        "attributes": attributes,
        "references": [],
        "managed": False,
        "coreMigrationVersion": _CORE,
        "typeMigrationVersion": "8.0.0",
    }


def view_name(project: str) -> str:
    """What a person calls the data view."""
    return f"{project}: predictions"


def _dashboard(source: DashboardSource, data_view: str, id: str) -> Body:
    shown = source.dashboard
    search: Body = {"query": {"query": "", "language": "kuery"}, "filter": []}
    options: Body = {
        "useMargins": True,
        "syncColors": True,
        "syncCursor": True,
        "syncTooltips": False,
        "hidePanelTitles": False,
    }
    attributes: Body = {
        "title": shown.title,
        "description": shown.description,
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": REFRESH},
        "optionsJSON": json.dumps(options),
        "panelsJSON": json.dumps([_panel(source, panel) for panel in shown.panels]),
        "controlGroupInput": _controls(),
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(search)},
    }
    control: Body = {"type": "index-pattern", "id": data_view, "name": "controlGroup_version:optionsListDataView"}
    return {
        "type": "dashboard",
        "id": id,
        "attributes": attributes,
        "references": [control],
        "managed": False,
        "coreMigrationVersion": _CORE,
        "typeMigrationVersion": "8.9.0",
    }


def _controls() -> Body:
    input: Body = {"id": "version", "fieldName": VERSION, "title": "Version", "enhancements": {}}
    panel: Body = {"type": "optionsListControl", "order": 0, "width": "medium", "grow": False, "explicitInput": input}
    ignored = {"ignoreFilters": False, "ignoreQuery": False, "ignoreTimerange": False, "ignoreValidations": False}
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "showApplySelections": False,
        "panelsJSON": json.dumps({"version": panel}),
        "ignoreParentSettingsJSON": json.dumps(ignored),
    }


def _panel(source: DashboardSource, panel: Panel) -> Body:
    place, layers = panel.place, _layers(source, panel)
    state: Body = {
        "visualization": _visualization(panel, layers, source.query(panel).groups),
        "query": {"esql": layers[0].query},
        "filters": [],
        "datasourceStates": {"textBased": {"layers": {layer.id: _columns(source, panel, layer) for layer in layers}}},
        "internalReferences": [
            {"type": "index-pattern", "id": source.stream, "name": f"textBasedLanguages-datasource-layer-{layer.id}"}
            for layer in layers
        ],
        "adHocDataViews": {source.stream: _ad_hoc(source.stream)},
        "needsRefresh": False,
    }
    kind = {"number": "lnsMetric", "table": "lnsDatatable"}.get(panel.chart, "lnsXY")
    attributes: Body = {
        "title": panel.title,
        "description": panel.question,
        "visualizationType": kind,
        "type": "lens",
        "references": [],
        "state": state,
    }
    grid: Body = {"x": place.x, "y": place.y, "w": place.width, "h": place.height, "i": panel.id}
    return {
        "type": "lens",
        "title": panel.title,
        "panelIndex": panel.id,
        "gridData": grid,
        "embeddableConfig": {"attributes": attributes, "enhancements": {}},
    }


def _ad_hoc(stream: str) -> Body:
    return {
        "id": stream,
        "title": stream,
        "name": stream,
        "timeFieldName": "@timestamp",
        "type": "esql",
        "sourceFilters": [],
        "fieldFormats": {},
        "runtimeFieldMap": {},
        "allowNoIndex": False,
    }


def _layers(source: DashboardSource, panel: Panel) -> Sequence[ChartLayer]:
    """The layers of a chart; a number or a table has one, without a shape of its own."""
    if panel.chart not in ("number", "table"):
        return source.layers(panel)
    query = source.query(panel)
    return (ChartLayer("data", query.text, "line", "", values(query)),)


def _columns(source: DashboardSource, panel: Panel, layer: ChartLayer) -> Body:
    """The columns of a layer: the groups of a table, or the axis and the breakdown of a chart, then the values."""
    groups = source.query(panel).groups if panel.chart == "table" else filter(None, (layer.x, layer.breakdown))
    columns: list[JsonValue] = [_named(group, layer) for group in groups]
    columns += [_column(value) for value in layer.values]
    return {
        "index": source.stream,
        "query": {"esql": layer.query},
        "columns": columns,
        "allColumns": columns,
        "timeField": "@timestamp",
    }


def _named(group: str, layer: ChartLayer) -> Body:
    kind = "date" if group in (Grouping.TIME, layer.x) else "string"
    return {"columnId": group, "fieldName": group, "label": group, "meta": {"type": kind}}


def _column(value: ChartValue) -> Body:
    params: Body = {"format": _FORMATS[value.unit]}
    return {
        "columnId": value.column,
        "fieldName": value.column,
        "label": value.label,
        "customLabel": True,
        "meta": {"type": "number"},
        "params": params,
    }


def _visualization(panel: Panel, layers: Sequence[ChartLayer], groups: Sequence[str]) -> Body:
    first = layers[0]
    if panel.chart == "number":
        return {"layerId": first.id, "layerType": "data", "metricAccessor": first.values[0].column}
    if panel.chart == "table":
        names = [*groups, *(value.column for value in first.values)]
        return {"layerId": first.id, "layerType": "data", "columns": [{"columnId": name} for name in names]}
    drawn: list[JsonValue] = [_drawn(layer) for layer in layers]
    return {
        "layers": drawn,
        "preferredSeriesType": _series(first),
        "valueLabels": "hide",
        "fittingFunction": "None",
        "legend": {"isVisible": True, "position": "right"},
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": False, "yRight": False},
        "tickLabelsVisibilitySettings": {"x": True, "yLeft": True, "yRight": False},
        "gridlinesVisibilitySettings": {"x": False, "yLeft": True, "yRight": False},
    }


def _drawn(layer: ChartLayer) -> Body:
    accessors: list[JsonValue] = [value.column for value in layer.values]
    right: list[JsonValue] = [{"forAccessor": value.column, "axisMode": "right"} for value in layer.values]
    return {
        "layerId": layer.id,
        "layerType": "data",
        "seriesType": _series(layer),
        "xAccessor": layer.x,
        "accessors": accessors,
        **({"splitAccessor": layer.breakdown} if layer.breakdown else {}),
        **({"yConfig": right} if layer.second else {}),
    }


def _series(layer: ChartLayer) -> str:
    return _SERIES.get(layer.shape, layer.shape)
