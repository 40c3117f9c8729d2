"""`compose.monitoring.yaml`, really started: Prometheus, Alertmanager and the Pushgateway with the generated files.

The images are stand-ins, built here of Debian's own programs with the entry point, user and folders of the images that
the file names. Grafana is in no Debian package and is not started. The server is a file with the metrics of a server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mlspec.monitoring.monitor_metrics import metrics_text
from mlspec.monitoring.monitor_state import MonitorMetric
from mlspec.monitoring.pushgateway import push
from mlspec.runtime.counters import Counters
from tests.conftest import missing
from tests.monitoring.prometheus_servers import Api, free_port, program
from tests.parts.targets import BASE, PACKAGE, write
from tests.runtime.callers import until

pytestmark = [pytest.mark.slow, pytest.mark.docker]

SHARED = Path("/usr/share/prometheus/alertmanager")
"""The templates of Debian's Alertmanager, which are part of the program elsewhere."""
BASE_IMAGE = "python:3.11-slim-bookworm"
PROGRAMS = {
    "prometheus": ("prometheus", "prometheus", 9090),
    "alertmanager": ("prometheus-alertmanager", "prometheus-alertmanager", 9093),
    "pushgateway": ("prometheus-pushgateway", "prometheus-pushgateway", 9091),
}
"""Service to program, Debian package and port."""
MONITOR = """\
monitor:
  prometheus:
    targets: ["serve:8080"]
    scrape_interval: 1s
    images: {prometheus: IMAGE-prometheus, alertmanager: IMAGE-alertmanager, pushgateway: IMAGE-pushgateway}
"""
SERVE = {"image": BASE_IMAGE, "working_dir": "/metrics", "command": ["python", "-m", "http.server", "8080"],
         "volumes": ["./served:/metrics:ro"]}  # fmt: skip


def build(docker: str, tag: str, name: str, folder: Path) -> None:
    """An image with one program, as its publisher builds it: run by nobody, with a folder for its data."""
    binary, package, _ = PROGRAMS[name]
    folder.mkdir()
    shutil.copy(program(binary, package), folder / name)
    shutil.copytree(SHARED, folder / "share")
    (folder / "Dockerfile").write_text(
        f"FROM {BASE_IMAGE}\nCOPY share {SHARED}\nCOPY {name} /bin/{name}\nRUN mkdir /{name} && chown 65534:65534 /{name}\n"
        f'USER 65534\nWORKDIR /{name}\nENTRYPOINT ["/bin/{name}"]\n'
    )
    done = subprocess.run(
        [docker, "build", "-q", "-t", tag, str(folder)], env=os.environ | {"DOCKER_BUILDKIT": "1"}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def compose(docker: str) -> list[str]:
    if subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0:
        return [docker, "compose"]
    older = shutil.which("docker-compose")
    if older is None:
        missing("docker compose")
    return [older]


@pytest.fixture(scope="module")
def started(docker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Api]]:
    """The services by name, on free ports of this machine."""
    folder, tag = tmp_path_factory.mktemp("compose"), f"mlspec-compose-{uuid.uuid4().hex[:8]}"
    for name in PROGRAMS:
        build(docker, f"{tag}-{name}", name, folder / name)
    write(folder, PACKAGE + MONITOR.replace("IMAGE", tag), BASE)
    file = folder / "compose.monitoring.yaml"
    text, ports = file.read_text(encoding="utf-8"), {name: free_port() for name in PROGRAMS}
    for name, (_, _, port) in PROGRAMS.items():
        assert text.count(f"127.0.0.1:{port}:{port}") == 1
        text = text.replace(f"127.0.0.1:{port}:{port}", f"127.0.0.1:{ports[name]}:{port}")
    file.write_text(text, encoding="utf-8")
    (folder / "served").mkdir()
    counters = Counters("cola", "7").text()
    (folder / "served" / "metrics").write_text(counters, encoding="utf-8")
    (folder / "serve.yaml").write_text(yaml.safe_dump({"services": {"serve": SERVE}}))
    command = [*compose(docker), "-p", tag, "-f", str(file), "-f", str(folder / "serve.yaml")]
    try:
        for words in (["config", "--quiet"], ["up", "-d", *PROGRAMS, "serve"]):
            done = subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        yield {name: Api(port) for name, port in ports.items()}
    finally:
        subprocess.run([*command, "down", "--volumes", "--timeout", "2"], cwd=folder, capture_output=True)
        subprocess.run([docker, "image", "rm", *(f"{tag}-{name}" for name in PROGRAMS)], capture_output=True)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_service_is_healthy(started: dict[str, Api], name: str) -> None:
    until(started[name].ready)


def test_prometheus_reads_the_server_and_what_was_pushed(started: dict[str, Api]) -> None:
    until(started["pushgateway"].ready)
    gauge = MonitorMetric("quality", (("model", "cola"), ("version", "7"), ("metric", "accuracy")), 0.8)
    push(f"http://127.0.0.1:{started['pushgateway'].port}", "cola-monitor", metrics_text([gauge]))
    prometheus = started["prometheus"]
    until(prometheus.ready)
    until(lambda: len(prometheus.query("up == 1")) == 2)
    assert {row["metric"]["job"] for row in prometheus.query("up")} == {"cola", "cola-monitor"}
    until(lambda: bool(prometheus.query("mlspec_monitor_quality")))
    assert prometheus.query('mlspec_model_info{model="cola"}')[0]["metric"]["version"] == "7"


def test_prometheus_has_the_rules_and_the_address_of_alertmanager(started: dict[str, Api]) -> None:
    prometheus = started["prometheus"]
    until(prometheus.ready)
    (group,) = prometheus.get("/api/v1/rules")["data"]["groups"]
    assert {"ModelErrorRate", "ModelDrift", "ModelQuality"} <= {rule["name"] for rule in group["rules"]}
    managers = prometheus.get("/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    assert [manager["url"] for manager in managers] == ["http://alertmanager:9093/api/v2/alerts"]
    until(started["alertmanager"].ready)
    assert "receiver: team" in started["alertmanager"].get("/api/v2/status")["config"]["original"]
