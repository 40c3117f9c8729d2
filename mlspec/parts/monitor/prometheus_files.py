"""`monitor.prometheus` to files of Prometheus, Alertmanager and Grafana, and a Compose file that starts them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mlspec.monitoring.queries import promql
from mlspec.monitoring.queries.alerts import alerts
from mlspec.monitoring.queries.dashboard_model import dashboard
from mlspec.monitoring.queries.measure import Measure
from mlspec.monitoring.queries.query import ModelShape
from mlspec.parts.monitor import alertmanager_config, grafana_dashboard, prometheus_rule_tests, prometheus_rules
from mlspec.parts.monitor.slice_checks import may_be_judged
from mlspec.plan.artifact import Artifact
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_prometheus import Prometheus
from mlspec.sections.package import Package
from mlspec.sections.target import label_name
from mlspec.spec.project import Project
from mlspec.spec.types import duration_seconds

IMAGES: Final[dict[str, str]] = {
    "prometheus": "prom/prometheus:v3.5.0",
    "alertmanager": "prom/alertmanager:v0.28.1",
    "pushgateway": "prom/pushgateway:v1.11.1",
    "grafana": "grafana/grafana:12.1.0",
}


def shape(project: Project) -> ModelShape:
    """What the spec says of the model's inputs and labels."""
    data, monitor = project.need(DataSpec), project.need(Monitor)
    return ModelShape(
        project=project.info.name,
        task=data.task,
        inputs=tuple((name, column.type) for name, column in data.columns.items()),
        labels=tuple(map(label_name, data.target.labels)),
        low_confidence=monitor.low_confidence,
        sliced=may_be_judged(monitor, data),
    )


def targets(project: Project, options: Prometheus) -> tuple[str, ...]:
    """The servers to scrape: those of the spec, or that of compose.yaml; empty without either."""
    package = project.get(Package)
    if options.targets or package is None or package.zip is not None:
        return tuple(options.targets)
    return (f"serve:{package.docker.port}",)


def files(project: Project, options: Prometheus) -> Iterator[Artifact]:
    """All files of `monitor.prometheus`."""
    monitor, model = project.need(Monitor), project.info.name
    values = {"scrape": prometheus_rules.duration(duration_seconds(options.scrape_interval)), "job": model}
    yield from _rules(project, options)
    external = {"environment": project.environment} if project.environment else {}
    configured = {**values, "targets": targets(project, options), "external": external}
    configured |= {"monitor_target": options.monitor_target, "own": f"|{re.escape(project.environment or '')}"}
    yield Artifact("prometheus/prometheus.yml", "prometheus/prometheus.yml.j2", configured)
    repeat = prometheus_rules.duration(duration_seconds(options.repeat))
    config = alertmanager_config.config(monitor.notify, repeat)
    channels = alertmanager_config.has_channels(monitor.notify)
    yield Artifact(
        "prometheus/alertmanager.yml", "prometheus/alertmanager.yml.j2", {"config": config, "channels": channels}
    )
    yield Artifact("grafana/provisioning/datasources/mlspec.yaml", "grafana/datasources.yaml.j2", values)
    yield Artifact("grafana/provisioning/dashboards/mlspec.yaml", "grafana/dashboards.yaml.j2", {})
    yield Artifact("grafana/dashboards/model.json", "grafana/dashboard.json.j2", {"value": _dashboard(project)})
    compose = {
        "images": IMAGES | options.images,
        "served": not options.targets,
        "secrets": alertmanager_config.secrets(monitor.notify),
    }
    yield Artifact("compose.monitoring.yaml", "prometheus/compose.monitoring.yaml.j2", compose)


def _rules(project: Project, options: Prometheus) -> Iterator[Artifact]:
    monitor, of = project.need(Monitor), shape(project)
    common = prometheus_rules.RuleOptions(
        model=project.info.name,
        job=project.info.name,
        interval=duration_seconds(monitor.alerts.interval),
        pending=duration_seconds(options.pending),
        labels=options.labels,
        runbook=options.runbook,
        sliced=of.sliced,
    )
    declared = alerts(monitor.alerts, of)
    group = prometheus_rules.group(declared, common)
    yield Artifact("prometheus/rules.yml", "prometheus/rules.yml.j2", {"group": group})
    for file in prometheus_rule_tests.rule_test_files(group, declared, of, common):
        yield Artifact(file.path, "prometheus/rules_test.yml.j2", {"file": file})


def _dashboard(project: Project) -> dict[str, object]:
    info, of = project.info, shape(project)
    title = f"{info.name} ({project.environment})" if project.environment else info.name
    shown = dashboard(of, alerts(project.need(Monitor).alerts, of), title, info.description, _has_metric)
    name = f"mlspec-{info.name}-{project.environment}" if project.environment else f"mlspec-{info.name}"
    return grafana_dashboard.document(shown, info.name, name)


def _has_metric(measure: Measure) -> bool:
    """Whether the server or `mlspec monitor` has the metric."""
    return promql.expression(measure, (), promql.Scope("", "1m")) is not None
