"""Templates, ingest pipeline and API keys of the data streams, as bodies of Elasticsearch's API. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import JsonValue

from mlspec.parts.monitor.fields import VERSION, mappings
from mlspec.parts.monitor.stack_names import SpecSections, report_stream, stream_name
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import duration_seconds

Body = dict[str, JsonValue]


class StreamOptions(NamedTuple):
    """What the bodies are made of."""

    project: str
    description: str
    stream: str
    reports: str
    inputs: Mapping[str, str]
    redacted: Sequence[str]
    task: Literal["classification", "regression"]
    retention: str
    replicas: int | None
    ids: bool

    @property
    def component(self) -> str:
        """Name of the component template: settings and mappings."""
        return f"{self.stream}@mappings"

    @property
    def meta(self) -> Body:
        """Whose a resource is."""
        return {"mlspec": {"project": self.project, "description": self.description}}


def stream_options(spec: SpecSections) -> StreamOptions:
    """The options of a spec that has `monitor.elasticsearch`."""
    info, data, monitor = spec.need(ProjectInfo), spec.need(DataSpec), spec.need(Monitor)
    options = monitor.elasticsearch
    assert options is not None
    stored = monitor.storage(data.columns)
    return StreamOptions(
        project=info.name,
        description=info.description,
        stream=stream_name(spec),
        reports=report_stream(spec),
        # Of a hashed input only equality of its values is known, whatever its type.
        inputs={n: "category" if stored[n] == "hashed" else column.type for n, column in data.columns.items()},
        redacted=[name for name, how in stored.items() if how == "redacted"],
        task=data.task,
        retention=time_value(duration_seconds(options.retention)),
        replicas=options.replicas,
        ids=options.ids,
    )


def component_template(options: StreamOptions) -> Body:
    """Body of `PUT _component_template/STREAM@mappings`.

    The lifecycle of the data stream applies even where another template brings an ILM policy (`prefer_ilm`).
    """
    index: Body = {"lifecycle": {"prefer_ilm": False}, "default_pipeline": options.stream}
    if options.replicas is not None:
        index["number_of_replicas"] = options.replicas
    mapped = mappings(options.inputs, options.redacted, options.task)
    return {"template": {"settings": {"index": index}, "mappings": mapped}, "version": VERSION, "_meta": options.meta}


def index_template(options: StreamOptions) -> Body:
    """Body of `PUT _index_template/STREAM`: data streams whose documents Elasticsearch deletes after the retention.

    A document that does not fit the mappings goes to the failure store (`STREAM::failures`) and is not lost.
    """
    return {
        "index_patterns": [options.stream, options.reports],
        "composed_of": [options.component],
        "data_stream": {},
        "priority": 500,
        "template": {"lifecycle": lifecycle(options), "data_stream_options": {"failure_store": {"enabled": True}}},
        "version": VERSION,
        "_meta": options.meta,
    }


def lifecycle(options: StreamOptions) -> Body:
    """Body of `PUT _data_stream/STREAM/_lifecycle`: an existing data stream does not follow its template."""
    return {"data_retention": options.retention}


def pipeline(options: StreamOptions) -> Body:
    """Body of `PUT _ingest/pipeline/STREAM`: the time of arrival; redacted inputs never enter the index."""
    processors: list[JsonValue] = [{"set": {"field": "event.ingested", "value": "{{{_ingest.timestamp}}}"}}]
    fields: list[JsonValue] = [f"inputs.{name}" for name in options.redacted]
    if fields:
        processors.append({"remove": {"field": fields, "ignore_missing": True}})
    return {
        "description": f"Predictions of {options.project}",
        "processors": processors,
        "version": VERSION,
        "_meta": options.meta,
    }


def server_key(options: StreamOptions) -> Body:
    """Body of `POST _security/api_key`: the server may add documents to its data stream, and with ids read it.

    It asks for ids only, after a lost answer, to send no document twice into an index that began in between. The key
    could read whole documents: Elasticsearch has no narrower right without a paid license.
    """
    rights: list[JsonValue] = ["create_doc", "auto_configure", *(["read"] if options.ids else [])]
    return _key(options, "server", [{"names": [options.stream], "privileges": rights}])


def reader_key(options: StreamOptions) -> Body:
    """Body of `POST _security/api_key`: `mlspec monitor` reads the predictions and adds its own reports."""
    return _key(
        options,
        "reader",
        [
            {"names": [options.stream, options.reports], "privileges": ["read", "view_index_metadata"]},
            {"names": [options.reports], "privileges": ["create_doc"]},
        ],
    )


def _key(options: StreamOptions, role: Literal["server", "reader"], indices: list[JsonValue]) -> Body:
    descriptor: Body = {"cluster": [], "indices": indices}
    return {
        "name": f"{options.stream}-{role}",
        "role_descriptors": {role: descriptor},
        "metadata": {"mlspec": {"project": options.project, "role": role}},
    }


def time_value(seconds: int) -> str:
    """A time value in the largest unit in which it is a whole number."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
