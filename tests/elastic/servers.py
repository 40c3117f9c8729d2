"""Servers for the tests: a real one that speaks Elasticsearch's language in memory, as far as it goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlspec.elastic.stack_client import StackClient
from tests.conftest import missing


@contextmanager
def osmem() -> Iterator[str]:
    """The address of an in-memory server with templates, mappings, bulk and aggregations; it has no data streams,
    pipelines, API keys or ES|QL."""
    try:
        from osmem_server import OsmemServer
    except ImportError:
        missing("the Python package osmem-server")
    with OsmemServer.start(japanese=False) as started:
        yield started.url


def client(url: str, kibana_url: str = "") -> StackClient:
    """A client of a server of the tests, which accepts every key."""
    return StackClient(url, "a2V5OmtleQ==", kibana_url)


def for_osmem(body: Mapping[str, Any]) -> dict[str, Any]:
    """A template without what the in-memory server does not know: data streams, lifecycles, pipelines."""
    template = {
        key: value for key, value in body["template"].items() if key not in ("lifecycle", "data_stream_options")
    }
    index = template.get("settings", {}).get("index", {})
    kept = {key: value for key, value in index.items() if key not in ("lifecycle", "default_pipeline")}
    settings = {"settings": {"index": kept}} if "settings" in template else {}
    rest = {key: value for key, value in body.items() if key != "data_stream"}
    return {**rest, "template": {**template, **settings}}
