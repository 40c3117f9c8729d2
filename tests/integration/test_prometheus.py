"""The files of `monitor.prometheus`, with promtool, amtool, and a real Prometheus that scrapes the real server."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from mlspec.cli.monitor_server import LatestState, monitor_server
from mlspec.monitoring.monitor_state import MonitorMetric
from tests.monitoring.prometheus_servers import Api, Receiver, alertmanager, free_port, program, prometheus, promtool
from tests.monitoring.prometheus_servers import webhook as webhook_receiver
from tests.parts.targets import BASE, PACKAGE, write
from tests.report.monitor_states import full_state
from tests.runtime import bundles
from tests.runtime.callers import ask, until
from tests.scenarios.test_logged_requests import serving

ALL = """\
monitor:
  prometheus: {runbook: "https://wiki.example.org/run", labels: {team: search}}
  alerts: {error_rate: "> 0.02", refused_rate: "> 0.1", timeout_rate: ">= 0.01", throttled_rate: "> 0.05",
    p95_ms: "> 300", unsure_rate: "> 0.3", missing_rate: "> 0.1", unseen_rate: "> 0.05", silence: 1h}
  notify:
    webhook: {env: HOOK}
    slack: {env: SLACK}
    mail: {to: [a@example.org, b@example.org], sender: m@example.org, host: mail.example.org,
           user: {env: MAIL_USER}, password: {env: MAIL}}
"""
EDGES = """\
monitor:
  prometheus: {scrape_interval: 1s, pending: 0s}
  alerts: {error_rate: "> 0", p95_ms: "> 9800", silence: 2d, window: 30s, interval: 10s, min_requests: 123456}
"""
QUICK = 'monitor: {prometheus: {}, alerts: {error_rate: "> 0.9999", p95_ms: "> 0.5", window: 1d, min_requests: 1}}\n'
NONE = "monitor: {prometheus: {}, alerts: {error_rate: null}}\n"
MIXED = BASE.replace("{sentence: text}", "{town: category, age: number}").replace("text-classifier", "tabular")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with the generated files of a spec."""
    created: dict[str, Path] = {}

    def folder(monitor: str) -> Path:
        if monitor not in created:
            created[monitor] = tmp_path_factory.mktemp("spec")
            write(created[monitor], PACKAGE + monitor, MIXED)
        return created[monitor]

    return folder


def rule_tests(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("rules*_test.yml"))


@pytest.mark.parametrize("monitor", [ALL, EDGES, QUICK, NONE], ids=["all", "edges", "quick", "none"])
def test_promtool_accepts_every_file_and_every_alert_is_proved(monitor: str, rendered: Callable[[str], Path]) -> None:
    folder = rendered(monitor) / "prometheus"
    for arguments in (["check", "config", "prometheus.yml"], ["test", "rules", *rule_tests(folder)]):
        done = promtool(*arguments, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    alerting = [rule["alert"] for rule in rules(folder) if "alert" in rule]
    tests = [test for name in rule_tests(folder) for test in yaml.safe_load((folder / name).read_text())["tests"]]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert fired == set(alerting)


def rules(folder: Path) -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((folder / "rules.yml").read_text())["groups"]
    result: list[dict[str, Any]] = group["rules"]
    return result


def mutated(expr: str, name: str) -> Iterator[str]:
    """Expressions that differ from the right one as a mistake would."""
    bound = re.search(r"([<>=]=?) ([0-9.]+)", expr)
    assert bound
    sign, limit = bound[1], float(bound[2])
    yield expr.replace(bound[0], f"{'>' if sign.startswith(('<', '=')) else '<'} {limit:g}", 1)
    if limit and not name.endswith("Silence"):
        yield expr.replace(bound[0], f"{sign} {limit * 1.2:g}", 1)
        yield expr.replace(bound[0], f"{sign} {limit * 0.8:g}", 1)
    if ">= 50" in expr:
        yield expr.replace(">= 50", ">= 0")


@pytest.mark.slow
def test_a_mistake_in_any_rule_fails_a_test(rendered: Callable[[str], Path], tmp_path: Path) -> None:
    """One process for all mistakes: each has rules of its own, and only the tests of the alerts that it can affect."""
    folder = rendered(ALL) / "prometheus"
    tests = [yaml.safe_load((folder / name).read_text()) for name in rule_tests(folder)]
    document = yaml.safe_load((folder / "rules.yml").read_text())
    alerting = [rule for rule in document["groups"][0]["rules"] if "alert" in rule]
    mistakes: dict[str, str] = {}
    for rule in document["groups"][0]["rules"]:
        right = rule["expr"]
        alert = rule.get("alert") or next(a["alert"] for a in alerting if rule["record"] in a["expr"])
        for wrong in mutated(right, alert) if "alert" in rule else averaged(right):
            rule["expr"] = wrong
            number = len(mistakes)
            (tmp_path / f"rules-{number}.yml").write_text(yaml.safe_dump(document))
            (of,) = [file for file in tests if cases(file, alert)]
            file = {**of, "tests": cases(of, alert), "rule_files": [f"rules-{number}.yml"]}
            (tmp_path / f"test-{number}.yml").write_text(yaml.safe_dump(file))
            mistakes[f"test-{number}.yml"] = wrong
        rule["expr"] = right
    assert len(mistakes) > 30
    done = promtool("test", "rules", *mistakes, cwd=tmp_path)
    verdicts = re.findall(r"Unit Testing:  (\S+)\s+(SUCCESS|FAILED)", done.stdout + done.stderr)
    passed = [mistakes[name] for name, verdict in verdicts if verdict == "SUCCESS"]
    assert passed == []


def cases(file: dict[str, Any], alert: str) -> list[dict[str, Any]]:
    """The tests of one alert, of which one fires it."""
    own = [test for test in file["tests"] if test["name"].startswith(f"{alert}:")]
    if alert in ("ModelUnreachable", "ModelPredictionsNotLogged"):
        own = [test for test in file["tests"] if any(c["alertname"] == alert for c in test["alert_rule_test"])]
    return own if any(case["exp_alerts"] for test in own for case in test["alert_rule_test"]) else []


def averaged(expr: str) -> Iterator[str]:
    """Recordings that average over the versions, so that a canary does not show; or that count other statuses."""
    if "by (version" in expr:
        yield expr.replace("by (version) ", "").replace("by (version, ", "by (").replace("on (version)", "on ()")
    for status, other in (("5..", "4.."), ("4..", "5.."), ("408|504", "500"), ("429|503", "500")):
        if f'status=~"{status}"' in expr:
            yield expr.replace(f'status=~"{status}"', f'status=~"{other}"')


def test_amtool_accepts_the_routes_and_no_secret_is_inline(rendered: Callable[[str], Path], tmp_path: Path) -> None:
    text = (rendered(ALL) / "prometheus/alertmanager.yml").read_text()
    config = yaml.safe_load(text)
    (receiver,) = config["receivers"]
    assert receiver["webhook_configs"] == [{"url_file": "/run/secrets/webhook_url", "send_resolved": True}]
    assert [mail["to"] for mail in receiver["email_configs"]] == ["a@example.org", "b@example.org"]
    # Debian's release is older than `url_file` (0.26).
    (tmp_path / "alertmanager.yml").write_text(text.replace("url_file: /run/secrets/webhook_url", "url: http://x/"))
    amtool = [program("amtool", "prometheus-alertmanager"), "check-config", "alertmanager.yml"]
    done = subprocess.run(amtool, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    compose = yaml.safe_load((rendered(ALL) / "compose.monitoring.yaml").read_text())
    mounted = {f"/run/secrets/{name}" for name in compose["services"]["alertmanager"]["secrets"]}
    assert mounted == set(re.findall(r"/run/secrets/\w+", text.partition("route:")[2]))
    assert compose["secrets"]["slack_url"] == {"environment": "SLACK"}


# A real server, scraped by a real Prometheus, whose alerts reach a webhook through a real Alertmanager.

SPEC = """\
mlspec: 1
project: {name: toy}
data:
  source: data/toy.csv
  inputs: {age: number, city: category}
  target: {column: label, type: class, labels: ["no", maybe, "yes"]}
model: {type: tabular}
"""
LIVE = """\
monitor:
  prometheus: {targets: ["127.0.0.1:SERVER"], monitor_target: "127.0.0.1:MONITOR", scrape_interval: 1s, pending: 0s}
  notify: {webhook: {env: HOOK}}
  alerts: {refused_rate: "> 0.2", missing_rate: "> 0.2", unseen_rate: "> 0.2", p95_ms: "> 5000", unsure_rate: "> 0.9",
    silence: 1h, window: 5s, interval: 1s, min_requests: 5}
"""
OF_VERSION = (("model", "toy"), ("version", "1"))
GAUGES = (
    MonitorMetric("drift_evidence", (*OF_VERSION, ("input", "input.age")), 3.0),
    MonitorMetric("drift_share", (*OF_VERSION, ("input", "input.age")), 1.5),
    MonitorMetric("drift_alarm_open", (*OF_VERSION, ("input", "input.age")), 1.0),
    MonitorMetric("quality", (*OF_VERSION, ("metric", "accuracy")), 0.8),
    MonitorMetric("quality_low", (*OF_VERSION, ("metric", "accuracy")), 0.7),
    MonitorMetric("quality_high", (*OF_VERSION, ("metric", "accuracy")), 0.9),
    MonitorMetric("quality_estimated", OF_VERSION, 0.7),
    MonitorMetric("quality_estimated_low", OF_VERSION, 0.6),
    MonitorMetric("quality_estimated_high", OF_VERSION, 0.8),
    MonitorMetric("quality_expected", (*OF_VERSION, ("metric", "accuracy")), 0.9),
    MonitorMetric("labelled_share", OF_VERSION, 0.5),
    *(
        MonitorMetric(f"{name}{end}", (*OF_VERSION, ("metric", "recall"), ("label", "yes")), 0.5)
        for name in ("measure", "measure_estimated")
        for end in ("", "_low", "_high")
    ),
    *(
        MonitorMetric(f"slice_measure{part}", (*OF_VERSION, ("slice", "city"), ("value", "Bonn")), 0.5)
        for part in ("", "_low", "_high", "_tested", "_rows")
    ),
)
"""What `mlspec monitor --serve` has measured."""
GOOD = {"age": 20.0, "city": "Bonn"}


class Monitored:
    """The servers of one test."""

    def __init__(self, server: int, metrics: Api, receiver: Receiver, folder: Path) -> None:
        self.server, self.metrics, self.receiver, self.folder = server, metrics, receiver, folder

    def send(self, row: dict[str, Any], count: int = 10) -> None:
        for _ in range(count):
            ask(self.server, json.dumps(row).encode())


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    folder = tmp_path_factory.mktemp("monitored")
    (folder / "bundle").mkdir()
    with ExitStack() as stack:
        _, server = stack.enter_context(serving(bundles.tabular(folder / "bundle")))
        receiver, port = stack.enter_context(webhook_receiver()), free_port()
        live = monitor_server(LatestState(lambda: replace(full_state("toy"), metrics=GAUGES)), "127.0.0.1", 0)
        threading.Thread(target=live.serve_forever, daemon=True).start()
        stack.callback(live.server_close)
        stack.callback(live.shutdown)
        write(folder, LIVE.replace("SERVER", str(server)).replace("MONITOR", str(live.server_port)), SPEC)
        routes, config = folder / "prometheus/alertmanager.yml", folder / "prometheus/prometheus.yml"
        hook = f"url: http://127.0.0.1:{receiver.port}/"
        text = routes.read_text().replace("url_file: /run/secrets/webhook_url", hook)
        routes.write_text(
            text.replace("group_wait: 30s", "group_wait: 0s").replace("group_interval: 5m", "group_interval: 1s")
        )
        scraped = config.read_text().replace("alertmanager:9093", f"127.0.0.1:{port}")
        config.write_text(scraped.replace("interval: 1s", "interval: 100ms"))
        stack.enter_context(alertmanager(routes, folder, port))
        yield Monitored(server, stack.enter_context(prometheus(config, folder)), receiver, folder)


def test_an_alert_reaches_the_webhook(monitored: Monitored) -> None:
    def fired() -> bool:
        monitored.send({"age": None, "city": "Rome"})
        monitored.send({"age": "old", "city": "Bonn"})
        expected = {"ModelRefusedRate", "ModelMissingRate", "ModelUnseenRate", "ModelDrift"}
        return expected <= monitored.receiver.names()

    until(fired)
    by_name = {alert["labels"]["alertname"]: alert for alert in monitored.receiver.alerts}
    assert by_name["ModelMissingRate"]["labels"] == {
        "alertname": "ModelMissingRate", "severity": "warning", "model": "toy", "version": "1", "input": "age",
    }  # fmt: skip
    assert by_name["ModelMissingRate"]["annotations"]["summary"].startswith("toy 1: Missing values of age ")
    assert by_name["ModelDrift"]["annotations"]["summary"] == "toy 1: input.age has drifted"
    assert "ModelErrorRate" not in monitored.receiver.names()


def test_the_rules_are_loaded_and_evaluated(monitored: Monitored) -> None:
    def evaluated() -> bool:
        monitored.send(GOOD)
        return all(rule["health"] == "ok" for rule in group()["rules"])

    def group() -> Any:
        (loaded,) = monitored.metrics.get("/api/v1/rules")["data"]["groups"]
        return loaded

    until(evaluated)
    assert {rule["type"] for rule in group()["rules"]} == {"recording", "alerting"}


def test_the_metrics_are_valid(monitored: Monitored) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{monitored.server}/metrics", timeout=10) as response:
        text = response.read().decode()
    done = promtool("check", "metrics", cwd=monitored.folder, text=text)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = promtool("check", "metrics", cwd=monitored.folder, text=text + "broken{\n")
    assert wrong.returncode


def expressions(folder: Path) -> Iterator[tuple[str, str]]:
    """Every expression of the dashboard by the title of its panel, with Grafana's variables filled in."""
    dashboard = json.loads((folder / "grafana/dashboards/model.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            filled = target["expr"].replace("$__rate_interval", "10s").replace("$__range", "1m")
            yield panel["title"], filled.replace('"$version"', '".*"')
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def test_every_panel_has_data_of_the_real_server(monitored: Monitored) -> None:
    def shown() -> bool:
        monitored.send(GOOD)
        return all(monitored.metrics.query(expr) for _, expr in expressions(monitored.folder))

    until(shown)


@pytest.mark.parametrize("monitor", [ALL, EDGES, NONE], ids=["all", "edges", "none"])
def test_another_parser_reads_every_expression(monitor: str, rendered: Callable[[str], Path]) -> None:
    folder = rendered(monitor)
    texts = [expr for _, expr in expressions(folder)] + [rule["expr"] for rule in rules(folder / "prometheus")]
    assert len([promql_parser.parse(text) for text in texts]) > 20
    with pytest.raises(ValueError, match="invalid promql query"):
        promql_parser.parse(texts[0] + " by")
