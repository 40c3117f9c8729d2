"""The dashboard of a project as Grafana's JSON, with a variable for the data source and one for versions. Pure.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from mlspec.monitoring.queries import promql
from mlspec.monitoring.queries.dashboard_model import ENDS, Chart, Dashboard, Panel
from mlspec.monitoring.queries.measure import Latest, Unit
from mlspec.monitoring.queries.query import Grouping, Series

_SCHEMA: Final = 39
"""Version of the JSON model; a newer Grafana migrates older ones."""
_SOURCE: Final[dict[str, object]] = {"type": "prometheus", "uid": "${datasource}"}
_VERSION: Final = 'version=~"$version"'
_TYPES: Final[dict[Chart, str]] = {
    "number": "stat",
    "lines": "timeseries",
    "stacked": "timeseries",
    "shares": "timeseries",
    "table": "table",
}
_UNITS: Final[dict[Unit, str]] = {
    "count": "short",
    "per_second": "reqps",
    "fraction": "percentunit",
    "milliseconds": "ms",
    "number": "none",
}
_CALM, _ALARM = "green", "red"
_MAX_UID: Final = 40
_ENDS: Final[dict[str, object]] = {
    "matcher": {"id": "byRegexp", "options": f"/{'|'.join(ENDS)}/"},
    "properties": [
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [4, 4]}},
        {"id": "custom.lineWidth", "value": 1},
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.showPoints", "value": "never"},
    ],
}
"""The ends of an interval. A band between two series needs their whole names, which have the version."""


def document(dashboard: Dashboard, model: str, uid: str) -> dict[str, object]:
    """The body of a dashboard file."""
    return {
        "uid": short_uid(uid),
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["mlspec", model],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_data_source(), _versions(model)]},
        "annotations": {"list": [_deployments(model)] if dashboard.deployments else []},
        "panels": [_panel(panel, model, number) for number, panel in enumerate(dashboard.panels, 1)],
    }


def short_uid(name: str) -> str:
    """An id of up to 40 letters, digits, `-` and `_`, as Grafana takes them."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    if plain == name and len(name) <= _MAX_UID:
        return name
    return f"{plain[: _MAX_UID - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _data_source() -> dict[str, object]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {},
    }


def _versions(model: str) -> dict[str, object]:
    info = promql.Scope(model, "").vector("mlspec_model_info")
    query = f"label_values({info}, version)"
    return {
        "name": "version",
        "label": "Version",
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "versions"},
        "refresh": 2,
        "sort": 4,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "options": [],
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _deployments(model: str) -> dict[str, object]:
    expr = promql.deployments(promql.Scope(model, "5m"))
    return {
        "name": "Deployments",
        "datasource": _SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "expr": expr,
        "step": "1m",
        "titleFormat": "Version {{version}}",
        "textFormat": "first seen",
        "tagKeys": "version",
    }


def _panel(panel: Panel, model: str, number: int) -> dict[str, object]:
    place = panel.place
    return {
        "id": number,
        "type": _TYPES[panel.chart],
        "title": panel.title,
        "description": panel.question,
        "datasource": _SOURCE,
        "gridPos": {"x": place.x // 2, "y": place.y * 2 // 3, "w": place.width // 2, "h": place.height * 2 // 3},
        "targets": _targets(panel, model),
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
        **({"transformations": _columns(panel)} if panel.chart == "table" else {}),
    }


def _targets(panel: Panel, model: str) -> list[dict[str, object]]:
    over_time = Grouping.TIME in panel.query.by
    scope = promql.Scope(model, "$__rate_interval" if over_time else "$__range", (_VERSION,))
    expressions = ((s, promql.expression(s.measure, panel.query.by, scope)) for s in panel.query.series)
    return [
        _target(panel, series, expr, chr(ord("A") + index))
        for index, (series, expr) in enumerate((s, e) for s, e in expressions if e is not None)
    ]


def _target(panel: Panel, series: Series, expr: str, ref: str) -> dict[str, object]:
    over_time = Grouping.TIME in panel.query.by
    return {
        "refId": ref,
        "datasource": _SOURCE,
        "editorMode": "code",
        "expr": expr,
        "legendFormat": _legend(panel, series),
        "range": over_time,
        "instant": not over_time,
        "format": "table" if panel.chart == "table" else "time_series",
    }


def _legend(panel: Panel, series: Series) -> str:
    groups = " ".join(f"{{{{{promql.LABELS[g]}}}}}" for g in panel.query.by if g in promql.LABELS)
    if not groups:
        return series.title
    return groups if len(panel.query.series) == 1 else f"{series.title} {groups}"


def _defaults(panel: Panel) -> dict[str, object]:
    unit = panel.query.series[0].unit
    steps: list[dict[str, object]] = [{"color": _CALM, "value": None}]
    steps += [{"color": _ALARM, "value": limit.value} for limit in panel.limits]
    custom: dict[str, object] = {}
    if _TYPES[panel.chart] == "timeseries":
        custom = {
            "drawStyle": "line",
            "fillOpacity": 10,
            "spanNulls": False,
            "showPoints": "auto",
            "thresholdsStyle": {"mode": "line" if panel.limits else "off"},
            **_stacking(panel.chart),
            **_scale(panel),
        }
    fixed = {"min": 0, "max": 1} if unit == "fraction" and not panel.limits else {}
    return {
        "unit": _UNITS[unit],
        "custom": custom,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "thresholds" if panel.chart == "number" else "palette-classic"},
        "noValue": "no data",
        **fixed,
    }


def _scale(panel: Panel) -> dict[str, object]:
    """Evidence multiplies with each row that shows a change, so its axis is logarithmic."""
    evidence = any(isinstance(s.measure, Latest) and s.measure.reported == "drift_share" for s in panel.query.series)
    return {"scaleDistribution": {"type": "log", "log": 10}} if evidence else {}


def _stacking(chart: Chart) -> dict[str, object]:
    mode = {"stacked": "normal", "shares": "percent"}.get(chart, "none")
    return {"stacking": {"mode": mode, "group": "A"}}


def _overrides(panel: Panel) -> list[dict[str, object]]:
    """The units of a table, whose columns differ; the ends of an interval as thin dashed lines."""
    if panel.chart != "table":
        return [_ENDS] if any(s.title.endswith(ENDS) for s in panel.query.series) else []
    return [
        {"matcher": {"id": "byName", "options": s.title}, "properties": [{"id": "unit", "value": _UNITS[s.unit]}]}
        for s in panel.query.series
    ]


def _options(panel: Panel) -> dict[str, object]:
    if panel.chart == "number":
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "textMode": "auto",
        }
    if panel.chart == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    legend = {"displayMode": "table", "placement": "right", "showLegend": True, "calcs": ["lastNotNull"]}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


def _columns(panel: Panel) -> Sequence[dict[str, object]]:
    """One row for each group, with titles for columns."""
    groups = {promql.LABELS[g]: g.value.capitalize() for g in panel.query.by if g in promql.LABELS}
    names = {f"Value #{chr(ord('A') + index)}": series.title for index, series in enumerate(panel.query.series)}
    order = {name: index for index, name in enumerate((*groups, *names))}
    organize = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": {**groups, **names}}
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}]
