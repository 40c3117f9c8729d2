"""What `mlspec monitor` sends to Elasticsearch, from the spec on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlspec.cli.console import Console
from mlspec.cli.monitoring import report_to_elasticsearch
from tests.monitoring.incidents_store import incidents
from tests.monitoring.watched import Service
from tests.parts.targets import BASE
from tests.runtime.elastic_proxy import ElasticProxy, cluster


def test_each_run_is_reported_and_an_alarm_of_a_removed_version_closed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ELASTIC_API_KEY", "key")
    spec, seen = tmp_path / "mlproject.yaml", incidents()
    first = [each for each in seen.reports if each.version in ("", "8")]
    with cluster() as url:
        proxy = ElasticProxy(url)
        spec.write_text(f"{BASE}monitor: {{elasticsearch: {{url: '{proxy.url}'}}}}\n", encoding="utf-8")
        model = Service(tmp_path, elasticsearch={"url": proxy.url}).model
        for reports in (first, first[:1], first[:1]):
            report_to_elasticsearch(Console(), str(spec), model, replace(seen, reports=tuple(reports)))
        proxy.json("POST", "/monitor-cola-default/_refresh")
        hits = proxy.json("GET", "/monitor-cola-default/_search?size=1000")["hits"]["hits"]
        proxy.close()
    assert capsys.readouterr().err == ""
    stored = [hit["_source"]["monitor"] for hit in hits]
    assert len(stored) == len(first) + 2 + 2
    assert [each for each in stored if "alarms" in each] == [{"alarms": len(seen.state.alarms)}] * 3
    assert stored.count({"quality_alarm": 0}) == stored.count({"column": "input.age", "alarm": 0}) == 1
