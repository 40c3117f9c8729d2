"""`monitor` to an Elasticsearch index template and to Kibana's data view, dashboard and alert rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from mlspec.diagnostics import Finding
from mlspec.parts.monitor import templates
from mlspec.parts.monitor.kibana import kibana_objects
from mlspec.parts.monitor.stack_names import default_stream, part_of_name
from mlspec.parts.monitor.templates import stream_options
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.source.document import Plain
from mlspec.spec.names import suggest
from mlspec.spec.project import Project
from mlspec.spec.shared_values import at, shared
from mlspec.spec.types import SecretRef, bound_parts, duration_seconds

NAME: Final = "monitor"
SECTIONS: Final[dict[str, type[BaseModel]]] = {"monitor": Monitor}
PROGRAMS: Final[dict[str, str]] = {"monitor": "mlspec.parts.monitor.work:main"}
OBSERVERS: Final[dict[str, str]] = {"monitor": "mlspec.parts.monitor.remote_stack:monitor"}


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


def _alerts(monitor: Monitor, data: DataSpec) -> Iterator[Finding]:
    alerts, at = monitor.alerts, ("monitor", "alerts")
    rates = {"error_rate": alerts.error_rate, "unsure_rate": alerts.unsure_rate, "p95_ms": alerts.p95_ms}
    for name, bound in rates.items():
        if bound is None:
            continue
        sign, number = bound_parts(bound)
        if sign not in (">", ">=") or number < 0 or (name != "p95_ms" and number >= 1):
            message = f"`{bound}` can never fire, or always fires"
            help = "a rate lies between 0 and 1, for example > 0.02" if name != "p95_ms" else "for example > 300"
            yield Finding("alert-bound", (*at, name), message, help)
    if alerts.unsure_rate and data.task == "regression":
        message = "a regression has no confidence, so `unsure_rate` has no value"
        yield Finding("alert-bound", (*at, "unsure_rate"), message, "remove `unsure_rate`")
    if duration_seconds(alerts.interval) > duration_seconds(alerts.window):
        message = f"the last {alerts.window} are checked every {alerts.interval}, so events in between are missed"
        yield Finding("alert-gap", (*at, "interval"), message, "make the window at least as long as the interval")


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
        params=("monitor",),
        needs=("extra:elastic", *(f"env:{name}" for name in variables)),
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """One file for each body that the stage installs: they work without mlspec too."""
    monitor, data = project.get(Monitor), project.get(DataSpec)
    if monitor is None or monitor.elasticsearch is None or data is None:
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
