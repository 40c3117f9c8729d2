"""`monitor` to an Elasticsearch index template and to Kibana's data view, dashboard and alert rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from mlspec.diagnostics import Finding
from mlspec.monitoring.queries import promql
from mlspec.parts.monitor import dashboard, fields, prometheus_files, rules
from mlspec.parts.part_protocol import no_stages
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_alerts import Alerts
from mlspec.source.document import Plain
from mlspec.spec.names import suffixed, suggest
from mlspec.spec.project import Project
from mlspec.spec.shared_values import at, shared
from mlspec.spec.types import bound_parts, duration_seconds, holds

NAME: Final = "monitor"
SECTIONS: Final[dict[str, type[BaseModel]]] = {"monitor": Monitor}
PROGRAMS: Final[dict[str, str]] = {}
stages = no_stages
_RATES: Final = ("error_rate", "refused_rate", "timeout_rate", "throttled_rate", "unsure_rate", "missing_rate",
                 "unseen_rate")  # fmt: skip
"""Options of `monitor.alerts` whose value lies between 0 and 1."""


def name_after(environment: str, given: dict[str, Plain]) -> None:
    """Complete the name of the data stream where the spec has none; ids of saved objects follow from it."""
    project, monitor = given.get("project"), given.get("monitor")
    name = project.get("name") if isinstance(project, dict) else None
    options = monitor.get("elasticsearch") if isinstance(monitor, dict) else None
    if isinstance(options, dict) and not options.get("index") and isinstance(name, str):
        options["index"] = suffixed(f"predictions-{name}", environment)


def check(project: Project) -> Iterator[Finding]:
    """Unknown inputs, windows that are too long, and alerts that always or never fire."""
    monitor, data = project.get(Monitor), project.get(DataSpec)
    if monitor is None or data is None:
        return
    yield from _shared(project)
    elasticsearch, at = monitor.elasticsearch, ("monitor", "elasticsearch")
    for index, name in enumerate(elasticsearch.redact if elasticsearch else ()):
        if name not in data.columns:
            message = f"input not found: `{name}`, so `redact` hides nothing of it"
            help = suggest(name, data.columns, "the inputs are")
            yield Finding("unknown-input", (*at, "redact", index), message, help)
    if elasticsearch and monitor.drift:
        kept, window = duration_seconds(elasticsearch.retention), duration_seconds(monitor.drift.window)
        if window > kept:
            message = (
                f"the drift window is {monitor.drift.window}, and predictions are kept for {elasticsearch.retention}"
            )
            help = "raise monitor.elasticsearch.retention, or lower the window"
            yield Finding("window-over-retention", ("monitor", "drift", "window"), message, help)
    yield from _alerts(monitor, data)
    yield from _scraped(project, monitor)


def _shared(project: Project) -> Iterator[Finding]:
    """Data streams that two environments share: predictions of one would count as the other's."""
    stream = ("monitor", "elasticsearch")
    for same in shared(project, (*stream, "index"), lambda values: at(values, (*stream, "url"))):
        message = (
            f"{same.one} and {same.other} would share the data stream `{same.name}`, with its dashboard and alerts"
        )
        default = suffixed(f"predictions-{at(same.theirs[0], ('project', 'name'))}", same.environment)
        help = (
            f"set environments.{same.environment}.monitor.elasticsearch.index to another name; where no name is given "
            f"at all, it ends with that of the environment: {default}"
        )
        yield Finding("shared-index", ("environments", same.environment), message, help, on="key")


def _alerts(monitor: Monitor, data: DataSpec) -> Iterator[Finding]:
    alerts, at = monitor.alerts, ("monitor", "alerts")
    for name in (*_RATES, "p95_ms"):
        bound: str | None = getattr(alerts, name)
        if bound is not None and not _can_fire(name, bound):
            message = f"`{bound}` can never fire, or always fires"
            help = "a rate lies between 0 and 1, for example > 0.02" if name in _RATES else "for example > 300"
            yield Finding("alert-bound", (*at, name), message, help)
    yield from _no_value(alerts, data)
    if monitor.prometheus and alerts.p95_ms and not holds(alerts.p95_ms, 1000 * promql.SECOND_BUCKETS[-1]):
        message = f"`{alerts.p95_ms}` can never fire in Prometheus: the histogram of the latency ends at 10000 ms"
        yield Finding("alert-bound", (*at, "p95_ms"), message, "for example > 5000")
    if duration_seconds(alerts.interval) > duration_seconds(alerts.window):
        message = f"the last {alerts.window} are checked every {alerts.interval}, so events in between are missed"
        yield Finding("alert-gap", (*at, "interval"), message, "make the window at least as long as the interval")


def _can_fire(name: str, bound: str) -> bool:
    sign, number = bound_parts(bound)
    return sign in (">", ">=") and not holds(bound, 0) and number >= 0 and (name == "p95_ms" or number < 1)


def _no_value(alerts: Alerts, data: DataSpec) -> Iterator[Finding]:
    at = ("monitor", "alerts")
    if alerts.unsure_rate and data.task == "regression":
        message = "a regression has no confidence, so `unsure_rate` has no value"
        yield Finding("alert-bound", (*at, "unsure_rate"), message, "remove `unsure_rate`")
    if alerts.unseen_rate and all(column.type != "category" for column in data.columns.values()):
        message = "no input is a category, so `unseen_rate` has no value"
        yield Finding("alert-bound", (*at, "unseen_rate"), message, "remove `unseen_rate`")


def _scraped(project: Project, monitor: Monitor) -> Iterator[Finding]:
    if monitor.prometheus is not None and not prometheus_files.targets(project, monitor.prometheus):
        message = "Prometheus has no server to scrape: the spec packages no server"
        help = "add `targets: [HOST:PORT]`, or `package: {docker: {}}`"
        yield Finding("no-scrape-target", ("monitor", "prometheus"), message, help, on="key")


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The files of Elasticsearch and Kibana, and those of Prometheus, Alertmanager and Grafana."""
    monitor = project.get(Monitor)
    if monitor is None or project.get(DataSpec) is None:
        return
    yield from _kibana(project, monitor)
    if monitor.prometheus is not None:
        yield from prometheus_files.files(project, monitor.prometheus)


def _kibana(project: Project, monitor: Monitor) -> Iterator[Artifact]:
    """The index template, the saved objects, and one file for each alert rule."""
    data = project.need(DataSpec)
    if monitor.elasticsearch is None:
        return
    options, info = monitor.elasticsearch, project.info
    stream = stream_name(project)
    inputs = {name: column.type for name, column in data.columns.items()}
    meta: dict[str, object] = {"mlspec": {"project": info.name, "description": info.description}}
    mapped = fields.mappings(inputs, options.redact, data.task, meta)
    template = fields.index_template(stream, mapped, duration_seconds(options.retention), options.replicas)
    yield Artifact("elasticsearch/index-template.json", "elasticsearch/body.json.j2", {"value": template})
    title = f"{info.name} ({project.environment})" if project.environment else info.name
    objects = dashboard.saved_objects(title, info.description, stream, data.task)
    yield Artifact("kibana/dashboard.ndjson", "kibana/objects.ndjson.j2", {"objects": objects})
    for name, rule in rules.rules(monitor.alerts, title, stream, data.task).items():
        yield Artifact(f"kibana/rules/{name}.json", "kibana/rule.json.j2", {"value": rule})


def stream_name(project: Project) -> str:
    """The data stream that predictions go to."""
    monitor = project.need(Monitor)
    given = monitor.elasticsearch.index if monitor.elasticsearch else ""
    return given or f"predictions-{project.info.name}"
