"""Alarms in Elasticsearch over several runs, and the rules of Kibana on what the runs stored there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from elasticsearch import Elasticsearch

from mlspec.errors import StageError
from mlspec.monitoring.drift.drift_alarm import Alarm, Effect, RowGroup
from mlspec.monitoring.drift.drift_monitor import ColumnScore
from mlspec.monitoring.drift_state import DriftLook
from mlspec.monitoring.open_reports import FILE, ObservedModel, OpenReports
from mlspec.monitoring.quality_state import QualityLook
from mlspec.monitoring.queries import esql
from mlspec.monitoring.queries.dashboard_model import dashboard
from mlspec.monitoring.reports import MonitorReport, reports
from mlspec.parts.monitor.rules import alert_rules, queries
from tests.esql_as_sql import create, flat, translated
from tests.monitoring.incidents_store import incidents, incidents_model, incidents_state
from tests.monitoring.test_slice_quality import labelled, sliced
from tests.monitoring.watched import Service
from tests.runtime.elastic_proxy import ElasticProxy, cluster

NO_LABELS = QualityLook((), 0, 0, {})
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@dataclass
class Stored:
    """Elasticsearch, and the memory of the machine of `mlspec monitor`."""

    proxy: ElasticProxy
    client: Elasticsearch
    memory: OpenReports
    stream: str
    time: datetime = NOW

    def run(self, observed: Sequence[MonitorReport], model: str = "shop") -> list[dict[str, Any]]:
        """Report once, an hour after the last run; returns the documents of the run."""
        self.time += timedelta(hours=1)
        self.memory.report(self.client, self.stream, observed, ObservedModel(model, self.time))
        return [each for each in self.documents() if each["@timestamp"] == f"{self.time:%Y-%m-%dT%H:%M:%SZ}"]

    def documents(self) -> list[dict[str, Any]]:
        self.client.indices.refresh(index=self.stream)
        return [hit["_source"] for hit in self.client.search(index=self.stream, size=1000)["hits"]["hits"]]

    def rows(self, rule: str, since: datetime = NOW) -> list[dict[str, Any]]:
        """The rows of a rule, each of which is an alert; Kibana filters by time."""
        rules = alert_rules((), incidents_model().shape, "shop", "predictions", "reports", "dashboard")
        return self._run(dict(zip((each.name for each in rules), queries(rules), strict=True))[rule], since)

    def panel(self, name: str) -> list[dict[str, Any]]:
        """What a panel of Kibana's dashboard shows."""
        shape = incidents_model().shape
        (query,) = [each.query for each in dashboard(shape, (), "shop", "").panels if each.id == name]
        return self._run(esql.panel(query, shape, "reports").text)

    def _run(self, query: str, since: datetime = NOW) -> list[dict[str, Any]]:
        with duckdb.connect() as connection:
            create(connection, "reports", flat(self.documents()))
            connection.execute('DELETE FROM reports WHERE "@timestamp" < ?', [since])
            result = connection.execute(translated(query))
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@pytest.fixture(scope="module")
def elastic() -> Iterator[tuple[ElasticProxy, Elasticsearch]]:
    with cluster() as url:
        proxy = ElasticProxy(url)
        with Elasticsearch(proxy.url, api_key="key", max_retries=0) as client:
            yield proxy, client
        proxy.close()


@pytest.fixture
def stored(elastic: tuple[ElasticProxy, Elasticsearch], tmp_path: Path) -> Stored:
    proxy, client = elastic
    return Stored(proxy, client, OpenReports(tmp_path / FILE), f"monitor-{tmp_path.name}-default")


def of_version(version: str) -> list[MonitorReport]:
    """What a run reports in which only this version answers."""
    return [each for each in incidents().reports if each.version == version]


def test_the_rules_fire_for_a_version_and_end_once_it_no_longer_answers(stored: Stored) -> None:
    """Version 8 moved and is harmful; after a rollback the runs compare version 7 alone."""
    stored.run(of_version("8"))
    (fired,) = stored.rows("drift")
    assert (fired["column"], fired["version"]) == ("input.age", "8")
    assert fired["evidence"] > 0
    assert fired["effect"] > 0
    (worse,) = stored.rows("quality")
    assert worse["version"] == "8"
    assert 0 < worse["quality"] < 1
    stored.run(of_version("7"))
    assert stored.rows("drift") == stored.rows("quality") == []
    stored.run(of_version("8"))
    assert len(stored.rows("drift")) == len(stored.rows("quality")) == 1


def test_the_rule_of_slices_fires_for_a_slice_and_ends_with_its_alarm(stored: Stored, tmp_path: Path) -> None:
    service = sliced(tmp_path)
    service.answer(1500)
    labelled(service, {"Köln": 0.45, "Bonn": 0.12})
    observed = service.observe().reports
    stored.run(observed)
    (fired,) = stored.rows("slice-quality")
    assert (fired["slice"], fired["version"], fired["expected"]) == ("town=Köln", "7", 0.8)
    assert 0.4 < fired["quality"] < 0.7
    assert stored.rows("quality") == []
    stored.run([each for each in observed if "slice_alarm" not in each.values])
    assert stored.rows("slice-quality") == []


def test_the_table_of_slices_has_the_newest_report_of_each_slice_of_each_version(stored: Stored) -> None:
    """Version 8 is wrong in both towns: over both versions these would be as different as by chance."""
    stored.run(of_version("8"))
    stored.run([each for each in incidents().reports if each.values.get("slice") != "town=Bonn"])
    gauges = {(each.name, *dict(each.labels).values()): each.value for each in incidents_state().metrics}
    rows = {(row["version"], row["slice"]): row for row in stored.panel("slices")}
    assert rows.keys() == {("7", "town=Köln"), ("8", "town=Köln"), ("8", "town=Bonn")}
    for (version, slice), row in rows.items():
        place = ("shop", version, "town", slice.removeprefix("town="))
        for end in ("", "_low", "_high"):
            assert row[f"slice_measure{end}"] == gauges[f"slice_measure{end}", *place, "accuracy"]
        assert (row["slice_tested"], row["slice_rows"]) == (0.8, gauges["slice_measure_rows", *place])
        assert row["time"] == stored.time - timedelta(hours=slice == "town=Bonn")
    assert rows["8", "town=Köln"]["slice_measure_high"] < rows["7", "town=Köln"]["slice_measure_low"]


def test_the_chart_of_drift_has_a_line_for_each_input_of_each_version(stored: Stored) -> None:
    stored.run(list(incidents().reports))
    rows = {row["line"]: row for row in stored.panel("drift")}
    assert {row["version"] for row in rows.values()} == {"7", "8"}
    assert all(line == f"{row['version']} {row['column']}" for line, row in rows.items())
    assert rows["8 input.age"]["evidence"] >= 1 > rows["8 input.town"]["evidence"]
    assert {row["time"] for row in rows.values()} == {stored.time}


def test_a_rule_fires_without_a_run_of_the_monitor_and_not_after_one_without_traffic(
    stored: Stored, tmp_path: Path
) -> None:
    observed = Service(tmp_path).observe().reports
    assert [dict(each.values) for each in observed] == [{"alarms": 0}]
    stored.run(observed)
    assert stored.rows("not-monitored") == []
    assert stored.rows("not-monitored", since=stored.time + timedelta(days=1)) == [{"reports": 0}]


def test_an_alarm_of_a_removed_version_is_closed_once(stored: Stored) -> None:
    stored.run(of_version("8"))
    closed = [each["monitor"] for each in stored.run([]) if each["service"]["version"] == "8"]
    assert sorted(closed, key=len) == [{"quality_alarm": 0}, {"column": "input.age", "alarm": 0}]
    assert stored.run([]) == []


def test_an_alarm_that_is_still_compared_is_not_closed(stored: Stored) -> None:
    stored.run(of_version("8"))
    again = stored.run(of_version("8"))
    assert [each["monitor"]["alarm"] for each in again if each["monitor"].get("column") == "input.age"] == [1]
    assert len(again) == len(of_version("8"))


def test_the_run_after_a_failed_one_closes_its_alarms(stored: Stored) -> None:
    stored.run(of_version("8"))
    stored.proxy.faults = ["503"]
    with pytest.raises(StageError):
        stored.run([])
    assert len(stored.run([])) == 2


def test_the_run_after_an_interrupted_one_closes_its_alarms(stored: Stored) -> None:
    stored.proxy.faults = ["lost"]
    with pytest.raises(StageError):
        stored.run(of_version("8"))
    assert len(stored.run([])) == 2


def test_a_damaged_memory_is_replaced(stored: Stored) -> None:
    stored.memory.path.write_text("{", encoding="utf-8")
    stored.run(of_version("8"))
    assert len(stored.run([])) == 2


def test_a_column_with_two_kinds_of_alarm_reports_both_and_is_one_alert(stored: Stored) -> None:
    """A slice with an alarm is part of its column, too: it ends once none of them is open."""
    moved = _alarm()
    missing = replace(moved, kind="missing", evidence=moved.evidence / 2)
    sliced = replace(moved, group=RowGroup("8", "town is Bonn"))
    both = stored.run(list(reports(_look(moved, missing), NO_LABELS)))
    assert sorted(each["monitor"]["kind"] for each in both) == ["missing", "moved"]
    assert [row["evidence"] for row in stored.rows("drift")] == [moved.evidence]
    for left in ((missing,), (sliced,)):
        stored.run(list(reports(_look(*left), NO_LABELS)))
        assert len(stored.rows("drift")) == 1
    stored.run(list(reports(_look(), NO_LABELS)))
    assert stored.rows("drift") == []


def _alarm() -> Alarm:
    effect = Effect(1.2, 0.9, 1.5, "sd")
    return Alarm("moved", "input.age", RowGroup("8"), 250.0, effect, 40.0, "up", 10, NOW.timestamp(), 40,
                 NOW.timestamp(), 30, (), threshold=100.0)  # fmt: skip


def _look(*alarms: Alarm) -> DriftLook:
    scores = (ColumnScore(RowGroup("8"), "input.age", 1.0, 100.0),)
    return DriftLook(alarms, 0, "", 100.0, scores=scores)
