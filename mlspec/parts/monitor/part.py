"""`monitor` to the policy of the servers, and to the files of Elasticsearch, Kibana, Prometheus and Grafana."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.monitor import (
    alert_checks,
    log_checks,
    prometheus_files,
    retrain_checks,
    serving_policy,
    slice_checks,
    templates,
)
from mlspec.parts.monitor.kibana import kibana_objects
from mlspec.parts.monitor.stack_names import default_stream, part_of_name, stream_name
from mlspec.parts.monitor.templates import stream_options
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.render.formatting import plural
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_drift import Drift
from mlspec.source.document import Plain
from mlspec.spec.names import suggest
from mlspec.spec.project import Project
from mlspec.spec.shared_values import at, shared
from mlspec.spec.types import SecretRef

NAME: Final = "monitor"
PROGRAMS: Final[dict[str, str]] = {"monitor": "mlspec.parts.monitor.work:main"}
OBSERVERS: Final[dict[str, str]] = {"monitor": "mlspec.parts.monitor.remote_stack:monitor"}
LEFT: Final = "mlspec.parts.monitor.stack_removal:left"
MIN_BUDGET: Final = 100
"""Rows between two false alarms: with fewer, an alarm would say nothing."""


def name_after(environment: str, given: dict[str, Plain]) -> None:
    """Complete the namespace and the name of the data stream where the spec has none; other names follow from it."""
    project, monitor = given.get("project"), given.get("monitor")
    name = project.get("name") if isinstance(project, dict) else None
    options = monitor.get("elasticsearch") if isinstance(monitor, dict) else None
    if not isinstance(options, dict) or not isinstance(name, str):
        return
    if not options.get("namespace"):
        options["namespace"] = part_of_name(environment)
    if not options.get("index"):
        options["index"] = default_stream(name, str(options["namespace"]))


def check(project: Project) -> Iterator[Finding]:
    """Unknown inputs, windows that are too long, and alerts that always or never fire."""
    monitor, data = project.get(Monitor), project.get(DataSpec)
    if monitor is None or data is None:
        return
    yield from _shared(project)
    yield from log_checks.check(monitor, data)
    yield from slice_checks.check(monitor, data)
    yield from retrain_checks.check(monitor, data)
    if monitor.drift:
        yield from _drift(monitor.drift, data)
    yield from alert_checks.check(project, monitor, data)


def _shared(project: Project) -> Iterator[Finding]:
    """Data streams that two environments share: predictions of one would count as the other's."""
    stream = ("monitor", "elasticsearch")
    for same in shared(project, (*stream, "index"), lambda values: at(values, (*stream, "url"))):
        message = (
            f"{same.one} and {same.other} would share the data stream `{same.name}`, with its dashboard and alerts"
        )
        default = default_stream(str(at(same.theirs[0], ("project", "name"))), same.environment)
        help = (
            f"set environments.{same.environment}.monitor.elasticsearch.index to another name; where no name is given "
            f"at all, it ends with that of the environment: {default}"
        )
        yield Finding("shared-index", ("environments", same.environment), message, help, on="key")


def _drift(drift: Drift, data: DataSpec) -> Iterator[Finding]:
    """Unknown columns, and a budget in which nothing can be found."""
    at = ("monitor", "drift")
    for index, name in enumerate(drift.columns):
        if name not in data.columns:
            help = suggest(name, data.columns, "the inputs are")
            yield Finding("unknown-input", (*at, "columns", index), f"input not found: `{name}`", help)
    if drift.rows_per_false_alarm() < MIN_BUDGET:
        message = (
            f"`{drift.false_alarms}` at {drift.rows_per_day():g} rows a day allows one false alarm in "
            f"{plural(round(max(drift.rows_per_false_alarm(), 1)), 'row')}; the minimum is {MIN_BUDGET} rows"
        )
        yield Finding("drift-budget", (*at, "false_alarms"), message, "allow fewer false alarms, for example 1 per 90d")


def stages(project: Project) -> Iterator[Stage]:
    """The stage `monitor`: changes Elasticsearch and Kibana, and nothing of the project."""
    monitor = project.get(Monitor)
    if monitor is None or monitor.elasticsearch is None or project.get(DataSpec) is None:
        return
    options = monitor.elasticsearch
    variables = [
        given.env for given in (options.url, options.api_key, options.kibana_url) if isinstance(given, SecretRef)
    ]
    yield Stage(
        name="monitor",
        description="Install templates, data streams, API keys, dashboard and alert rules",
        part=NAME,
        params=("monitor.elasticsearch", "monitor.alerts", "monitor.log"),
        needs=("extra:elastic", *(f"env:{name}" for name in variables)),
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The policy of the servers, and the files of Kibana and Prometheus."""
    monitor, data = project.get(Monitor), project.get(DataSpec)
    if monitor is None or data is None:
        return
    policy = serving_policy.policy(project.info.name, monitor, data.columns, stream_name(project))
    yield Artifact(serving_policy.FILE, "monitoring/policy.json.j2", {"value": policy})
    yield from _kibana(project, monitor)
    if monitor.prometheus is not None:
        yield from prometheus_files.files(project, monitor.prometheus)


def _kibana(project: Project, monitor: Monitor) -> Iterator[Artifact]:
    """The index template, the saved objects, and one file for each alert rule."""
    if monitor.elasticsearch is None:
        return
    options = stream_options(project)
    bodies = {
        "component-template": templates.component_template(options),
        "index-template": templates.index_template(options),
        "pipeline": templates.pipeline(options),
        "server-key": templates.server_key(options),
        "reader-key": templates.reader_key(options),
    }
    for name, body in bodies.items():
        yield Artifact(f"elasticsearch/{name}.json", "elasticsearch/body.json.j2", {"value": body})
    kibana = kibana_objects(project)
    yield Artifact("kibana/data-view.json", "elasticsearch/body.json.j2", {"value": kibana.data_view})
    yield Artifact("kibana/dashboard.json", "elasticsearch/body.json.j2", {"value": kibana.dashboard})
    yield Artifact("kibana/dashboard.ndjson", "kibana/objects.ndjson.j2", {"objects": kibana.saved})
    for rule in kibana.rules:
        yield Artifact(f"kibana/rules/{rule.name}.json", "kibana/rule.json.j2", {"value": rule.body})
