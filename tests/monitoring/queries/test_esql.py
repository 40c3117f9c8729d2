from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from mlspec.monitoring.queries import esql
from mlspec.monitoring.queries.alerts import alerts
from mlspec.monitoring.queries.dashboard_model import dashboard
from mlspec.monitoring.queries.measure import Counted, Latest, rate
from mlspec.monitoring.queries.query import Grouping, ModelShape, Query, Series
from mlspec.sections.monitor_alerts import Alerts
from tests.esql_as_sql import create, flat, translated
from tests.esql_grammar import syntax_errors

INPUTS = (("sentence", "text"), ("age", "number"), ("odd `name.x", "category"))
SCHEMA = ModelShape("cola", "classification", INPUTS, ("no", "yes"), sliced=True)
REGRESSION = ModelShape("cola", "regression", INPUTS, sliced=True)
ALL = Alerts(error_rate="> 0.02", p95_ms="> 300", unsure_rate="> 0.3", silence="1h", min_requests=7)


@pytest.mark.parametrize("shape", [SCHEMA, REGRESSION], ids=["classification", "regression"])
def test_every_query_is_valid(shape: ModelShape) -> None:
    fired = alerts(ALL, shape)
    shown = dashboard(shape, fired, "cola", "").panels
    queries = [esql.panel(p.query, shape, "predictions-cola-default").text for p in shown]
    queries += [esql.rule(alert, shape, "Odd stream") for alert in fired]
    queries.append(esql.deployments("predictions-cola-default"))
    errors = syntax_errors([*queries, "FROM x | WHERE a = 1"])
    assert errors.pop()
    assert errors == [[]] * len(queries)


def test_a_rule_judges_each_version_and_keeps_the_limit() -> None:
    (error, *_) = alerts(ALL, SCHEMA)
    query = esql.rule(error, SCHEMA, "mine")
    assert "n_errors = SUM(prediction.weight) WHERE request AND status >= 500" in query
    assert "BY version = service.version" in query
    assert query.endswith("WHERE requests >= 7 AND measured > 0.02")


def test_no_traffic_is_not_zero_errors() -> None:
    """The numerator may be null, the denominator may not be replaced by a number."""
    text = esql.panel(Query((Series("errors", "", rate(Counted.ERRORS)),)), SCHEMA, "s").text
    assert "errors = COALESCE(n_errors, 0) / n_requests" in text


def test_silence_counts_so_that_an_empty_stream_has_a_row() -> None:
    silence = alerts(ALL, SCHEMA)[-1]
    assert esql.rule(silence, SCHEMA, "s").endswith("STATS requests = COUNT(*) WHERE request | WHERE requests < 1")


def test_a_rate_by_column_has_one_series_for_each_input() -> None:
    query = Query((Series("unseen", "Unseen", rate(Counted.UNSEEN)),), (Grouping.TIME, Grouping.COLUMN))
    rendered = esql.panel(query, SCHEMA, "s")
    assert [s.name for s in rendered.values] == ["unseen odd `name.x"]
    assert rendered.groups == (Grouping.TIME,)
    missing = Query((Series("missing", "Missing", rate(Counted.MISSING)),), (Grouping.TIME, Grouping.COLUMN))
    assert len(esql.panel(missing, SCHEMA, "s").values) == len(INPUTS)


def test_a_chart_of_several_groups_has_one_line_for_each_of_them_and_keeps_the_newest() -> None:
    """Kibana breaks a chart down by one column. Without a limit there are 1,000 rows, of the first hours."""
    evidence = Query(
        (Series("evidence", "", Latest("drift_share")),), (Grouping.TIME, Grouping.VERSION, Grouping.COLUMN)
    )
    rendered = esql.panel(evidence, SCHEMA, "s")
    assert rendered.breakdown == "line"
    assert rendered.text.endswith('EVAL line = CONCAT(version, " ", column) | SORT time DESC | LIMIT 10000 | SORT time')
    missing = Query((Series("missing", "", rate(Counted.MISSING)),), evidence.by)
    assert esql.panel(missing, SCHEMA, "s").breakdown == "version"
    assert esql.panel(missing._replace(by=(Grouping.TIME,)), SCHEMA, "s").breakdown == ""


def test_a_table_of_what_is_reported_has_the_latest_report_of_each_group() -> None:
    first, last = (datetime(2026, 11, 27, hour, tzinfo=UTC) for hour in (1, 2))
    reports: list[dict[str, Any]] = [
        {"@timestamp": time, "service": {"version": version}, "monitor": {"metric": "f1", "measure": value}}
        for time, version, value in ((first, "7", 0.9), (last, "7", 0.5), (first, "8", 0.25))
    ]
    reports[1]["monitor"] |= {"measure_low": 0.125}
    query = Query(
        (Series("measure", "", Latest("measure")), Series("low", "", Latest("measure_low"))),
        (Grouping.VERSION, Grouping.METRIC),
    )
    with duckdb.connect() as connection:
        create(connection, "reports", flat(reports))
        rows = connection.execute(translated(esql.panel(query, SCHEMA, "reports").text)).fetchall()
    assert rows == [(last, "7", "f1", 0.5, 0.125), (first, "8", "f1", 0.25, None)]
