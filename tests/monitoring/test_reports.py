"""Reports of drift and quality, stored in an in-memory Elasticsearch through the real client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from elasticsearch import Elasticsearch

from mlspec.errors import StageError
from mlspec.monitoring.label_store import LabelStore
from mlspec.monitoring.reports import send
from tests.monitoring.watched import Service
from tests.runtime.elastic_proxy import ElasticProxy, cluster


@pytest.fixture(scope="module")
def client() -> Iterator[Elasticsearch]:
    with cluster() as url, Elasticsearch(ElasticProxy(url).url, api_key="key") as each:
        yield each


def test_alarms_and_quality_are_stored_with_their_version(client: Elasticsearch, tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(300)
    service.answer(500, age=52)
    LabelStore(service.model.store).add(pa.Table.from_pylist(service.labels(1, 400, 0.5)), service.now)
    seen = service.observe()
    documents = [report.document("shop", seen.state.until) for report in seen.reports]
    send(client, "monitor-shop-default", documents)
    client.indices.refresh(index="monitor-shop-default")
    hits = client.search(index="monitor-shop-default", size=10)["hits"]["hits"]
    stored = [hit["_source"] for hit in hits]
    drift = next(each["monitor"] for each in stored if each["monitor"].get("alarm") == 1)
    assert (drift["column"], drift["kind"], drift["direction"]) == ("input.age", "moved", "up")
    quality = next(each["monitor"] for each in stored if "quality" in each["monitor"])
    assert (quality["metric"], quality["labelled_share"]) == ("accuracy", 0.5)
    (estimated,) = [each["monitor"] for each in stored if "quality_estimated" in each["monitor"]]
    assert estimated["quality_estimated"] == pytest.approx(seen.state.estimates[0].value)
    (run,) = [each for each in stored if "version" not in each["service"]]
    assert run["monitor"] == {"alarms": len(seen.state.alarms)}
    assert {each["service"]["version"] for each in stored if each is not run} == {"7"}


def test_an_address_that_does_not_answer_is_an_error_with_help() -> None:
    with Elasticsearch("http://127.0.0.1:1", api_key="key", max_retries=0) as away, pytest.raises(StageError) as caught:
        send(away, "monitor-shop-default", [{"monitor": {}}])
    assert caught.value.help


def test_reports_that_a_stream_of_an_earlier_version_refuses_are_an_error_with_the_field(
    client: Elasticsearch,
) -> None:
    stream, fields = "monitor-old-default", {"monitor": {"properties": {"effect": {"type": "date"}}}}
    client.indices.create(index=stream, mappings={"properties": fields})
    reports = [{"monitor": {"effect": "large"}}, {"monitor": {"rows": 3}}]
    with pytest.raises(StageError) as caught:
        send(client, stream, reports)
    assert caught.value.message.startswith(f"Elasticsearch refused 1 of 2 reports for {stream}: ")
    assert "[monitor.effect]" in caught.value.message
    assert caught.value.help.startswith("mlspec apply")


def test_reports_in_the_failure_store_are_an_error_because_no_rule_reads_them() -> None:
    with cluster() as url:
        proxy = ElasticProxy(url)
        proxy.faults = ["failure-store"]
        with Elasticsearch(proxy.url, api_key="key") as client, pytest.raises(StageError) as caught:
            send(client, "monitor-shop-default", [{"monitor": {}}] * 2)
        proxy.close()
    assert caught.value.message.startswith("1 of 2 reports do not fit the fields of monitor-shop-default")
    assert "monitor-shop-default::failures" in caught.value.help
