from __future__ import annotations

import itertools

import pytest

from mlspec.monitoring.queries import promql
from mlspec.monitoring.queries.alerts import alerts
from mlspec.monitoring.queries.dashboard_model import COLUMNS, dashboard
from mlspec.monitoring.queries.query import Grouping, ModelShape
from mlspec.sections.monitor_alerts import Alerts

TEXT = ModelShape("cola", "classification", (("sentence", "text"),))
MIXED = ModelShape("cola", "classification", (("town", "category"), ("age", "number")), sliced=True)
PRICE = ModelShape("cola", "regression", (("age", "number"),), sliced=True)


@pytest.mark.parametrize("shape", [TEXT, MIXED, PRICE])
def test_panels_fit_the_grid_without_overlap(shape: ModelShape) -> None:
    panels = dashboard(shape, alerts(Alerts(), shape), "cola", "").panels
    for one in panels:
        assert one.place.x + one.place.width <= COLUMNS
    for a, b in itertools.combinations((p.place for p in panels), 2):
        beside = a.x + a.width <= b.x or b.x + b.width <= a.x
        assert beside or a.y + a.height <= b.y or b.y + b.height <= a.y
    assert len({p.id for p in panels}) == len(panels)


def test_the_limit_of_an_alert_is_drawn_where_its_measure_is_shown() -> None:
    panels = dashboard(MIXED, alerts(Alerts(error_rate="> 0.02", p95_ms="> 300"), MIXED), "cola", "").panels
    limits = {p.id: [limit.value for limit in p.limits] for p in panels if p.limits}
    of_alerts = {"errors": [0.02], "p95": [300], "errors-by-version": [0.02], "latency-by-version": [300]}
    assert limits == of_alerts | {"drift": [1]}


def test_panels_follow_the_task_and_the_inputs() -> None:
    ids = {shape: {p.id for p in dashboard(shape, (), "x", "").panels} for shape in (TEXT, MIXED, PRICE)}
    assert "unseen" in ids[MIXED] - ids[TEXT]
    assert "values" in ids[PRICE] - ids[MIXED]
    assert "slices" in (ids[MIXED] & ids[PRICE]) - ids[TEXT]
    assert not {"labels", "confidence", "unsure"} & ids[PRICE]


def test_an_error_has_a_panel_without_the_scale_of_shares() -> None:
    regression = {p.id: [s.unit for s in p.query.series] for p in dashboard(PRICE, (), "x", "").panels}
    assert regression["quality"] == ["number"] * 7
    assert regression["measures"] == ["number"] * 6
    assert regression["labelled"] == ["fraction"]
    assert regression["slices"] == ["number"] * 4 + ["count"]
    classes = {p.id: [s.unit for s in p.query.series] for p in dashboard(MIXED, (), "x", "").panels}
    assert classes["quality"] == ["fraction"] * 7
    assert classes["labelled"] == ["fraction"]
    assert classes["measures"] == ["fraction"] * 6
    assert classes["slices"] == ["fraction"] * 4 + ["count"]


def test_the_quality_of_slices_is_by_version_and_never_over_all_versions() -> None:
    """A canary of a tenth of the traffic moves the sum of both versions by a tenth of its fall."""
    (slices,) = [panel.query for panel in dashboard(MIXED, (), "x", "").panels if panel.id == "slices"]
    assert slices.by == (Grouping.VERSION, Grouping.SLICE)
    expressions = {promql.expression(s.measure, slices.by, promql.Scope("x", "5m")) for s in slices.series}
    assert all(str(each).startswith("max by (version, slice) (label_join(") for each in expressions)
