"""`monitor` to an Elasticsearch index template and to Kibana's data view, dashboard and alert rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from mlspec.diagnostics import Finding
from mlspec.parts.monitor import alert_checks, dashboard, fields, log_checks, prometheus_files, rules, serving_policy
from mlspec.parts.part_protocol import no_stages
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_drift import Drift
from mlspec.source.document import Plain
from mlspec.spec.names import suffixed, suggest
from mlspec.spec.project import Project
from mlspec.spec.shared_values import at, shared
from mlspec.spec.types import duration_seconds

NAME: Final = "monitor"
SECTIONS: Final[dict[str, type[BaseModel]]] = {"monitor": Monitor}
PROGRAMS: Final[dict[str, str]] = {}
stages = no_stages
MIN_BUDGET: Final = 100
"""Rows between two false alarms: with fewer, an alarm would say nothing."""


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
    yield from log_checks.check(monitor, data)
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
        default = suffixed(f"predictions-{at(same.theirs[0], ('project', 'name'))}", same.environment)
        help = (
            f"set environments.{same.environment}.monitor.elasticsearch.index to another name; where no name is given "
            f"at all, it ends with that of the environment: {default}"
        )
        yield Finding("shared-index", ("environments", same.environment), message, help, on="key")


def _drift(drift: Drift, data: DataSpec) -> Iterator[Finding]:
    """Unknown columns, slices that are no categories, and a budget in which nothing can be found."""
    at = ("monitor", "drift")
    for key, names in (("columns", drift.columns), ("slices", drift.slices)):
        for index, name in enumerate(names):
            if name not in data.columns:
                help = suggest(name, data.columns, "the inputs are")
                yield Finding("unknown-input", (*at, key, index), f"input not found: `{name}`", help)
            elif key == "slices" and data.columns[name].type != "category":
                message = f"`{name}` is a {data.columns[name].type}; rows are divided by a category"
                help = "remove it from `slices`; every input is compared as a column anyway"
                yield Finding("slice-type", (*at, key, index), message, help)
    if drift.rows_per_false_alarm() < MIN_BUDGET:
        message = (
            f"`{drift.false_alarms}` at {drift.rows_per_day():g} rows a day allows a false alarm every "
            f"{max(drift.rows_per_false_alarm(), 1):.0f} rows; the minimum is {MIN_BUDGET}"
        )
        yield Finding("drift-budget", (*at, "false_alarms"), message, "allow fewer false alarms, for example 1 per 90d")


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
    data = project.need(DataSpec)
    if monitor.elasticsearch is None:
        return
    options, info = monitor.elasticsearch, project.info
    stream = stream_name(project)
    inputs = {name: column.type for name, column in data.columns.items()}
    meta: dict[str, object] = {"mlspec": {"project": info.name, "description": info.description}}
    redacted = [name for name, storage in monitor.storage(inputs).items() if storage == "redacted"]
    mapped = fields.mappings(inputs, redacted, data.task, meta)
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
