"""Panels of a Kibana dashboard as Lens documents with their values inside. Pure.

A layer is a table: its columns are buckets (time, a field's top values) and metrics over each bucket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

LAYER: Final = "layer"


@dataclass(frozen=True, slots=True)
class LensPanel:
    """One panel: its place in Kibana's grid of 48 columns, its kind, and the columns of its table by id."""

    id: str
    title: str
    place: tuple[int, int, int, int]
    kind: Literal["lnsMetric", "lnsXY", "lnsDatatable"]
    columns: Mapping[str, dict[str, object]]
    series: Literal["bar_stacked", "bar_percentage_stacked", "line"] = "line"

    def saved(self, data_view: str) -> dict[str, object]:
        """The panel as an element of a dashboard's `panelsJSON`."""
        x, y, w, h = self.place
        attributes = {
            "title": self.title,
            "description": "",
            "visualizationType": self.kind,
            "type": "lens",
            "references": [
                {"type": "index-pattern", "id": data_view, "name": f"indexpattern-datasource-layer-{LAYER}"}
            ],
            "state": {
                "visualization": self._visualization(),
                "query": {"query": "", "language": "kuery"},
                "filters": [],
                "datasourceStates": {"formBased": {"layers": {LAYER: self._layer()}}},
                "internalReferences": [],
                "adHocDataViews": {},
            },
        }
        return {
            "type": "lens",
            "title": self.title,
            "panelIndex": self.id,
            "gridData": {"x": x, "y": y, "w": w, "h": h, "i": self.id},
            "embeddableConfig": {"attributes": attributes, "enhancements": {}},
        }

    def _layer(self) -> dict[str, object]:
        order = sorted(self.columns, key=lambda name: not self.columns[name]["isBucketed"])
        return {"columns": dict(self.columns), "columnOrder": order, "incompleteColumns": {}, "sampling": 1}

    def _visualization(self) -> dict[str, object]:
        metrics = [name for name, column in self.columns.items() if not column["isBucketed"]]
        if self.kind == "lnsMetric":
            return {"layerId": LAYER, "layerType": "data", "metricAccessor": metrics[0]}
        if self.kind == "lnsDatatable":
            columns = [{"columnId": name} for name in self.columns]
            return {"layerId": LAYER, "layerType": "data", "columns": columns}
        return self._chart(metrics)

    def _chart(self, metrics: Sequence[str]) -> dict[str, object]:
        buckets = {name: column["operationType"] for name, column in self.columns.items() if column["isBucketed"]}
        layer: dict[str, object] = {
            "layerId": LAYER,
            "layerType": "data",
            "seriesType": self.series,
            "xAccessor": next(name for name, kind in buckets.items() if kind == "date_histogram"),
            "accessors": list(metrics),
        }
        split = [name for name, kind in buckets.items() if kind == "terms"]
        if split:
            layer["splitAccessor"] = split[0]
        return {
            "layers": [layer],
            "preferredSeriesType": self.series,
            "legend": {"isVisible": True, "position": "right"},
            "valueLabels": "hide",
            "fittingFunction": "None",
        }


def _column(
    label: str, kind: str, operation: str, field: str, *, bucketed: bool, params: dict[str, object]
) -> dict[str, object]:
    scale = {"date": "interval", "string": "ordinal"}.get(kind, "ratio")
    return {
        "label": label,
        "customLabel": True,
        "dataType": kind,
        "operationType": operation,
        "sourceField": field,
        "isBucketed": bucketed,
        "scale": scale,
        "params": params,
    }


def over_time() -> dict[str, object]:
    """One bucket for each stretch of time, as wide as the view asks for."""
    params = {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
    return _column("Time", "date", "date_histogram", "@timestamp", bucketed=True, params=params)


def top(field: str, label: str, by: str) -> dict[str, object]:
    """One bucket for each of a field's ten most frequent values; `by` is the column that counts."""
    params = {"size": 10, "orderBy": {"type": "column", "columnId": by}, "orderDirection": "desc", "otherBucket": True,
              "missingBucket": False, "parentFormat": {"id": "terms"}}  # fmt: skip
    return _column(label, "string", "terms", field, bucketed=True, params=params)


def count(label: str) -> dict[str, object]:
    """Documents in the bucket."""
    return _column(label, "number", "count", "___records___", bucketed=False, params={"emptyAsNull": False})


def rate(field: str, label: str) -> dict[str, object]:
    """Average of a field that is 0 or 1, as a percentage."""
    params = {"format": {"id": "percent", "params": {"decimals": 2}}, "emptyAsNull": True}
    return _column(label, "number", "average", field, bucketed=False, params=params)


def percentile(field: str, percent: int, label: str) -> dict[str, object]:
    """A percentile of a field."""
    params = {"percentile": percent, "format": {"id": "number", "params": {"decimals": 2}}}
    return _column(label, "number", "percentile", field, bucketed=False, params=params)
