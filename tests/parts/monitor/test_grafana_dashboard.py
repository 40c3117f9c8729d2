from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mlspec.parts.monitor.grafana_dashboard import short_uid
from tests.parts.targets import BASE, PACKAGE, files

REGRESSION = (
    BASE.replace("{sentence: text}", "{age: number, city: category}")
    .replace('{column: label, type: class, labels: ["no", "yes"]}', "{column: price, type: number}")
    .replace("text-classifier", "tabular")
)
MONITOR = PACKAGE + 'monitor: {prometheus: {}, alerts: {error_rate: "> 0.02", p95_ms: "> 300"}}\n'
UNITS = {"short", "reqps", "percentunit", "ms", "none"}
TYPES = {"stat", "timeseries", "table"}


@pytest.fixture(params=[BASE, REGRESSION], ids=["classification", "regression"])
def dashboard(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return json.loads(files(tmp_path, MONITOR, request.param)["grafana/dashboards/model.json"])


def test_ids_are_unique_and_kinds_and_units_are_known(dashboard: Any) -> None:
    panels = dashboard["panels"]
    assert len({p["id"] for p in panels}) == len(panels) > 6
    for panel in panels:
        assert panel["type"] in TYPES
        assert panel["title"]
        assert panel["description"].endswith("?")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        refs = [target["refId"] for target in panel["targets"]]
        assert refs
        assert len(set(refs)) == len(refs)


def test_the_ends_of_intervals_are_thin_dashed_lines(dashboard: Any) -> None:
    (quality,) = [p for p in dashboard["panels"] if p["description"] == "Is it still right?"]
    (override,) = quality["fieldConfig"]["overrides"]
    names = {target["legendFormat"] for target in quality["targets"]}
    ends = {name for name in names if re.search(override["matcher"]["options"].strip("/"), name)}
    parts = ("Measured", "Expected without labels")
    assert ends == {f"{part}, 95% {end} {{{{version}}}}" for part in parts for end in ("low", "high")}
    assert {value["id"] for value in override["properties"]} >= {"custom.lineStyle", "custom.lineWidth"}


def test_the_grid_has_no_overlap(dashboard: Any) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(p["x"] + p["w"] <= 24 and p["h"] > 0 for p in places)
    for a, b in itertools.combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]


def test_every_source_is_the_variable_and_every_variable_exists(dashboard: Any) -> None:
    variables = {v["name"] for v in dashboard["templating"]["list"]}
    assert variables == {"datasource", "version"}
    for panel in dashboard["panels"]:
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert 'version=~"$version"' in target["expr"]
            over_time = panel["type"] == "timeseries"
            gauge = "mlspec_monitor_" in target["expr"]
            assert gauge or ("$__rate_interval" if over_time else "$__range") in target["expr"]
            assert target["range"] is over_time


def test_limits_of_alerts_are_drawn(dashboard: Any) -> None:
    drawn = {
        panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"]
        for panel in dashboard["panels"]
        if len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1
    }
    assert drawn == {
        "Error rate": 0.02, "Latency, p95": 300, "Error rate by version": 0.02, "Latency by version, p95": 300,
        "Drift evidence by version and input": 1,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["mlspec-cola", "mlspec-" + "x" * 60, "mlspec-a.b", "mlspec-a_b"])
def test_ids_are_short_and_differ(name: str) -> None:
    assert len(short_uid(name)) <= 40
    assert "." not in short_uid(name)
    assert len({short_uid(n) for n in ("mlspec-a.b", "mlspec-a_b", "mlspec-a-b")}) == 3


def test_only_shares_end_at_one(dashboard: Any) -> None:
    for panel in dashboard["panels"]:
        defaults = panel["fieldConfig"]["defaults"]
        assert "max" not in defaults or defaults["unit"] == "percentunit"
    (quality,) = (p for p in dashboard["panels"] if "mlspec_monitor_quality" in p["targets"][0]["expr"])
    error = quality["title"].startswith("Mean absolute error")
    assert quality["fieldConfig"]["defaults"]["unit"] == ("none" if error else "percentunit")
