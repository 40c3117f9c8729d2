"""What a spec installs in Elasticsearch and Kibana. Pure, but for the environment variables of the addresses."""

from __future__ import annotations

from pathlib import Path

from mlspec.elastic.installation import Installation
from mlspec.elastic.stack_client import StackClient, stack_client
from mlspec.elastic.stack_resources import ApiKey, DataStream, DesiredStack, StackDocument
from mlspec.parts.monitor import templates
from mlspec.parts.monitor.fields import mappings
from mlspec.parts.monitor.kibana import KibanaObjects, kibana_objects
from mlspec.parts.monitor.stack_names import SpecSections
from mlspec.parts.monitor.templates import StreamOptions, stream_options
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_elasticsearch import Elasticsearch
from mlspec.spec.types import SecretRef

KEYS = ".mlspec/elasticsearch"
"""Where new API keys are written: git and Docker ignore `.mlspec/`."""


def installation(
    spec: SpecSections, root: Path, client: StackClient | None = None, *, hasty: bool = False
) -> Installation:
    """The installation of a spec that has `monitor.elasticsearch`. Raises StageError where a variable is not set."""
    options = spec.need(Monitor).elasticsearch
    assert options is not None
    client = client or stack_client(options, hasty=hasty)
    return Installation(
        client,
        desired_stack(stream_options(spec), kibana_objects(spec), root),
        lambda key: _variables(options, client.url, key),
    )


def desired_stack(options: StreamOptions, kibana: KibanaObjects, root: Path) -> DesiredStack:
    """Everything that the options describe."""
    properties = mappings(options.inputs, options.redacted, options.task)["properties"]
    assert isinstance(properties, dict)
    keys = {"server": templates.server_key(options), "reader": templates.reader_key(options)}
    return DesiredStack(
        project=options.project,
        templates=(
            StackDocument("component-template", options.component, templates.component_template(options)),
            StackDocument("index-template", options.stream, templates.index_template(options)),
        ),
        pipeline=StackDocument("ingest-pipeline", options.stream, templates.pipeline(options)),
        streams=[DataStream(name, options.retention, properties) for name in (options.stream, options.reports)],
        keys=[ApiKey(str(key["name"]), key, root / KEYS / f"{role}.env") for role, key in keys.items()],
        data_view=StackDocument("data-view", kibana.view_id, kibana.data_view),
        dashboard=StackDocument("dashboard", kibana.dashboard_id, kibana.dashboard, kibana.source.dashboard.title),
        saved_dashboard=kibana.saved,
        rules=[StackDocument("alert-rule", rule.id, rule.body, str(rule.body["name"])) for rule in kibana.rules],
    )


def _variables(options: Elasticsearch, url: str, key: str) -> dict[str, str]:
    """What a process with the key needs in its environment, as `docker run --env-file` takes it."""
    named = {options.url.env: url} if isinstance(options.url, SecretRef) else {}
    return {**named, options.api_key.env: key}
