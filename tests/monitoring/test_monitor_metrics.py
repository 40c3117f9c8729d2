"""Drift and quality in a real Prometheus: read from the live page and from a Pushgateway, with the page's numbers."""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from mlspec.cli.monitor_server import LatestState, monitor_server
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.monitoring.drift.drift_alarm import RowGroup
from mlspec.monitoring.drift.drift_monitor import ColumnScore
from mlspec.monitoring.drift_state import DriftLook
from mlspec.monitoring.label_store import LabelStore
from mlspec.monitoring.monitor_metrics import HELP, MAX_COLUMNS, metrics_text, monitor_metrics
from mlspec.monitoring.monitor_state import MonitorState
from mlspec.monitoring.pushgateway import push
from mlspec.monitoring.quality_state import QualityLook
from mlspec.monitoring.queries import promql
from mlspec.monitoring.queries.measure import Latest, Reported
from mlspec.monitoring.queries.query import Grouping
from mlspec.report.monitor_page import monitor_page
from tests.monitoring.log_lines import DAY
from tests.monitoring.prometheus_servers import Api, free_port, prometheus, promtool, pushgateway
from tests.monitoring.references import SLICED
from tests.monitoring.watched import Service
from tests.parts.targets import BASE
from tests.runtime.callers import until

CONFIG = """\
global: {{scrape_interval: 200ms, evaluation_interval: 200ms}}
rule_files: []
scrape_configs:
  - job_name: shop-monitor
    honor_labels: true
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> MonitorState:
    """A service whose ages have moved, with labels of half of the rows."""
    service = Service(tmp_path_factory.mktemp("service"), reference=SLICED, quality={"slices": ["town"]})
    service.answer(300)
    service.answer(500, age=52)
    labels = pa.Table.from_pylist(service.labels(1, 400, right=0.8))
    LabelStore(service.model.store).add(labels, service.now)
    return service.observe(timedelta(hours=6)).state


@pytest.fixture(scope="module")
def scraped(state: MonitorState, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A Prometheus that reads the live page."""
    folder = tmp_path_factory.mktemp("scraped")
    server = monitor_server(LatestState(lambda: state), "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with running(folder, server.server_port) as api:
        yield api
    server.shutdown()
    server.server_close()


@contextmanager
def running(folder: Path, port: int) -> Iterator[Api]:
    """A Prometheus that reads the gauges at that port."""
    (folder / "prometheus.yml").write_text(CONFIG.format(port=port), encoding="utf-8")
    with prometheus(folder / "prometheus.yml", folder) as api:
        yield api


def latest(api: Api, reported: Reported, *by: Grouping) -> dict[tuple[str, ...], float]:
    """The numbers that Grafana shows."""
    expr = promql.expression(Latest(reported), by, promql.Scope("shop", "5m"))
    until(lambda: bool(api.query(str(expr))))
    labels = [promql.LABELS[each] for each in by]
    return {tuple(row["metric"][name] for name in labels): float(row["value"][1]) for row in api.query(str(expr))}


def test_a_dashboard_has_the_numbers_of_the_page(scraped: Api, state: MonitorState) -> None:
    quality = latest(scraped, "quality", Grouping.VERSION)
    (right,) = [signal for signal in state.signals if signal.question == "Is it still right?"]
    assert quality.keys() == {("7",)}
    assert f"{quality['7',]:.3g}" == right.answer
    assert right.answer in re.sub("<[^>]*>", " ", monitor_page(state))
    (expected,) = latest(scraped, "quality_estimated", Grouping.VERSION).values()
    assert expected == pytest.approx(state.estimates[0].value)
    (share,) = latest(scraped, "labelled_share", Grouping.VERSION).values()
    assert share == pytest.approx(400 / 800)
    evidence = latest(scraped, "drift_evidence", Grouping.COLUMN)
    (alarm,) = [alarm for alarm in state.alarms if alarm.group == "moved"]
    shown = float(re.findall(r"evidence ([\d,.]+\d)", alarm.text)[0].replace(",", ""))
    assert evidence["input.age",] == pytest.approx(shown, rel=0.01)
    assert max((value, name) for name, value in evidence.items())[1] == ("input.age",)
    shares = latest(scraped, "drift_share", Grouping.COLUMN)
    assert {name for name, share in shares.items() if share >= 1} == {("input.age",)}
    needed = float(re.findall(r"an alarm needs ([\d,.]+\d)", alarm.text)[0].replace(",", ""))
    assert shares["input.age",] == pytest.approx(shown / needed, rel=0.01)


def test_open_alarms_are_ones_and_the_others_zeros(scraped: Api) -> None:
    until(lambda: bool(scraped.query(promql.DRIFT_ALARM)))
    opened = {row["metric"]["input"]: row["value"][1] for row in scraped.query(promql.DRIFT_ALARM)}
    assert {name for name, value in opened.items() if value == "1"} == {"input.age"}
    assert {"input.town", "score", "label", "words.sentence"} <= opened.keys()
    assert [row["value"][1] for row in scraped.query('mlspec_monitor_alarms{group="moved"}')] == ["1"]
    (effect,) = scraped.query("mlspec_monitor_drift_effect")
    assert (effect["metric"]["unit"], 0.9 < float(effect["value"][1]) < 1.5) == ("sd", True)
    ends = ("_low", "", "_high")
    low, value, high = (float(scraped.query(f"mlspec_monitor_quality{end}")[0]["value"][1]) for end in ends)
    assert value - 0.06 < low < value < high < value + 0.06


def test_the_text_is_valid_and_labels_are_bounded(state: MonitorState, tmp_path: Path) -> None:
    text = metrics_text(state.metrics)
    done = promtool("check", "metrics", cwd=tmp_path, text=text)
    assert done.returncode == 0, done.stdout + done.stderr
    names = {"model", "version", "input", "group", "label", "metric", "unit", "slice", "value"}
    assert set(re.findall(r'(\w+)="', text)) <= names
    assert set(re.findall(r'value="(.*?)"', text)) == {"Bonn", "Köln"}, "those of the test split alone"
    assert set(re.findall(r"^mlspec_monitor_(\w+)\{", text, re.M)) == {*HELP} - {"slice_quality_alarm_open"}


def test_a_pushgateway_keeps_the_gauges_of_the_last_run(state: MonitorState, tmp_path: Path) -> None:
    with pushgateway(tmp_path) as gateway:
        push(f"http://127.0.0.1:{gateway.port}/", "shop-monitor", metrics_text(state.metrics))
        with running(tmp_path, gateway.port) as api:
            assert latest(api, "quality", Grouping.VERSION).keys() == {("7",)}
        with pytest.raises(StageError, match="the Pushgateway refused the gauges: 400"):
            push(f"http://127.0.0.1:{gateway.port}", "shop-monitor", "broken{\n")
    with pytest.raises(StageError, match="the Pushgateway cannot be reached"):
        push(f"http://127.0.0.1:{free_port()}", "shop-monitor", "")


SHARED = """\
environments: {prod: {}, staging: {}}
monitor: {prometheus: {targets: ["127.0.0.1:1"], monitor_target: "127.0.0.1:PORT", scrape_interval: 1s}}
"""


def test_the_environments_of_a_project_share_a_pushgateway(tmp_path: Path) -> None:
    """Each replaces its own gauges, and the Prometheus of an environment reads those alone."""
    spec = tmp_path / "mlproject.yaml"
    with pushgateway(tmp_path) as gateway:
        url = f"http://127.0.0.1:{gateway.port}"
        for environment, versions in (("prod", 3), ("staging", 2), ("prod", 1)):
            push(url, "shop-monitor", gauges(look_of(versions, 1)), environment)
        push(url, "other-monitor", gauges(look_of(5, 1)).replace('"shop"', '"other"'))
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as response:
            text = response.read().decode()
        spec.write_text(BASE.replace("cola", "shop", 1) + SHARED.replace("PORT", str(gateway.port)), encoding="utf-8")
        for file in compile_project(spec, "prod").files:
            if file.path.startswith("prometheus/"):
                (tmp_path / file.path).parent.mkdir(exist_ok=True)
                (tmp_path / file.path).write_text(file.text, encoding="utf-8")
        with prometheus(tmp_path / "prometheus" / "prometheus.yml", tmp_path) as api:
            until(lambda: bool(api.query("mlspec_monitor_drift_share")))
            scraped = api.query("mlspec_monitor_drift_share")
    pairs = re.findall(r'^mlspec_monitor_drift_share\{environment="(.*?)".*version="(.*?)"\}', text, re.M)
    assert pairs == [("prod", "0"), ("staging", "0"), ("staging", "1")]
    metrics = [row["metric"] for row in scraped]
    assert [m["version"] for m in metrics if m.get("environment") == "prod"] == ["0"]
    assert {m.get("environment", "") for m in metrics} == {"prod", ""}


def look_of(versions: int, columns: int) -> DriftLook:
    """Drift of that many versions and columns, of which the last one has the most evidence."""
    scores = [
        ColumnScore(RowGroup(str(version)), f"input.c{column}", float(column), 1000.0)
        for version in range(versions)
        for column in range(columns)
    ]
    return DriftLook((), 1, "", 1000.0, scores=tuple(scores))


def gauges(look: DriftLook) -> str:
    return metrics_text(monitor_metrics("shop", DAY, look, QualityLook((), 0, 0, {}), ()))


def test_pushed_gauges_are_bounded_and_replace_those_of_earlier_versions_and_columns(tmp_path: Path) -> None:
    """A wide table and a rollout of three versions, then one version with fewer columns."""
    with pushgateway(tmp_path) as gateway:
        url = f"http://127.0.0.1:{gateway.port}"

        def stored() -> set[tuple[str, ...]]:
            with urllib.request.urlopen(f"{url}/metrics", timeout=10) as response:
                text = response.read().decode()
            pairs = re.findall(r'^mlspec_monitor_drift_share\{.*input="(.*?)".*version="(.*?)"\}', text, re.M)
            return set(pairs)

        push(url, "shop-monitor", gauges(look_of(3, MAX_COLUMNS + 50)))
        columns = {f"input.c{column}" for column in range(50, MAX_COLUMNS + 50)}
        assert stored() == {(column, version) for column in columns for version in "012"}
        assert len(gauges(look_of(3, 10 * MAX_COLUMNS)).splitlines()) == len(
            gauges(look_of(3, MAX_COLUMNS)).splitlines()
        )
        push(url, "shop-monitor", gauges(look_of(1, 2)))
        assert stored() == {("input.c0", "0"), ("input.c1", "0")}
