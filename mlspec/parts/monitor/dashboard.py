"""The Kibana dashboard of a project as saved objects: a data view and one dashboard, with ids that never change. Pure.

https://www.elastic.co/docs/api/doc/kibana (saved objects import): importing twice with `overwrite` makes no duplicates.
"""

from __future__ import annotations

import json
from typing import Final

from mlspec.parts.monitor.panels import LAYER, LensPanel, count, over_time, percentile, rate, top

_CORE: Final = "8.8.0"
"""Version of the saved objects' format; a newer Kibana migrates older ones."""


def panels(task: str) -> list[LensPanel]:
    """What the dashboard shows: traffic, errors, latency, predictions, confidence, versions."""
    p95 = percentile("latency_ms", 95, "p95 (ms)")
    latency = {"time": over_time(), **{f"p{p}": percentile("latency_ms", p, f"p{p} (ms)") for p in (50, 95, 99)}}
    by_version = {"time": over_time(), "version": top("model.version", "Version", "count"), "count": count("Requests")}
    by_outcome = {"time": over_time(), "outcome": top("outcome", "Outcome", "count"), "count": count("Requests")}
    numbers = {"count": count("Requests"), "failed": rate("failed", "Errors"), "p95": p95}
    return [
        LensPanel("requests", "Requests", (0, 0, 16, 6), "lnsMetric", {"count": count("Requests")}),
        LensPanel("errors", "Error rate", (16, 0, 16, 6), "lnsMetric", {"failed": rate("failed", "Error rate")}),
        LensPanel("p95", "Latency, p95", (32, 0, 16, 6), "lnsMetric", {"p95": p95}),
        LensPanel("versions", "Requests by version", (0, 6, 24, 12), "lnsXY", by_version, "bar_stacked"),
        LensPanel("outcomes", "Outcomes", (24, 6, 24, 12), "lnsXY", by_outcome, "bar_stacked"),
        LensPanel("latency", "Latency", (0, 18, 24, 12), "lnsXY", latency),
        *_predictions(task),
        LensPanel(
            "table",
            "Versions side by side",
            (24, 30, 24, 12),
            "lnsDatatable",
            {"version": top("model.version", "Version", "count"), **numbers},
        ),
    ]


def _predictions(task: str) -> list[LensPanel]:
    if task == "regression":
        spread = {f"p{p}": percentile("prediction.value", p, f"p{p}") for p in (5, 50, 95)}
        return [
            LensPanel("predictions", "Predicted values", (24, 18, 24, 12), "lnsXY", {"time": over_time(), **spread})
        ]
    mix = {"time": over_time(), "label": top("prediction.label", "Label", "count"), "count": count("Predictions")}
    score = {f"p{p}": percentile("prediction.score", p, f"p{p}") for p in (5, 50)}
    return [
        LensPanel("predictions", "Prediction mix", (24, 18, 24, 12), "lnsXY", mix, "bar_percentage_stacked"),
        LensPanel("confidence", "Confidence", (0, 30, 24, 12), "lnsXY", {"time": over_time(), **score}),
    ]


def saved_objects(project: str, description: str, stream: str, task: str) -> list[dict[str, object]]:
    """The lines of an NDJSON file for Kibana's import."""
    view = f"{stream}-view"
    return [_data_view(view, stream, project), _dashboard(view, f"{stream}-dashboard", project, description, task)]


def _data_view(view: str, stream: str, project: str) -> dict[str, object]:
    return {
        "type": "index-pattern",
        "id": view,
        "attributes": {"title": stream, "name": f"{project}: predictions", "timeFieldName": "@timestamp"},
        "references": [],
        "coreMigrationVersion": _CORE,
        "typeMigrationVersion": "8.0.0",
        "managed": False,
    }


def _dashboard(view: str, id: str, project: str, description: str, task: str) -> dict[str, object]:
    shown = panels(task)
    search = {"query": {"query": "", "language": "kuery"}, "filter": []}
    options = {"useMargins": True, "syncColors": True, "syncCursor": True, "syncTooltips": False,
               "hidePanelTitles": False}  # fmt: skip
    references = [
        {"type": "index-pattern", "id": view, "name": f"{panel.id}:indexpattern-datasource-layer-{LAYER}"}
        for panel in shown
    ]
    return {
        "type": "dashboard",
        "id": id,
        "attributes": {
            "title": f"{project}: model in production",
            "description": description,
            "timeRestore": True,
            "timeFrom": "now-24h",
            "timeTo": "now",
            "refreshInterval": {"pause": False, "value": 60000},
            "optionsJSON": json.dumps(options),
            "panelsJSON": json.dumps([panel.saved(view) for panel in shown]),
            "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(search)},
        },
        "references": references,
        "coreMigrationVersion": _CORE,
        "typeMigrationVersion": "8.9.0",
        "managed": False,
    }
