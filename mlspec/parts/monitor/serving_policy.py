"""`monitor` to `monitoring.json`, which the servers read: what they log, and where they send it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import JsonValue

from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_elasticsearch import Elasticsearch
from mlspec.spec.types import SecretRef, duration_seconds, size_bytes

FILE: Final = "monitoring.json"
VERSION: Final = 1


def policy(project: str, monitor: Monitor, columns: Iterable[str], stream: str) -> Mapping[str, JsonValue]:
    """The policy; secrets are names of environment variables."""
    stored: dict[str, JsonValue] = dict(monitor.storage(columns))
    log: dict[str, JsonValue] = {
        "folder": monitor.log.folder,
        "sample": monitor.sample,
        "flush_seconds": duration_seconds(monitor.log.flush),
        "low_confidence": monitor.low_confidence,
        "columns": stored,
    }
    policy: dict[str, JsonValue] = {"version": VERSION, "project": project, "log": log}
    if monitor.elasticsearch is not None:
        policy["elasticsearch"] = _elasticsearch(monitor.elasticsearch, stream)
    return policy


def _elasticsearch(options: Elasticsearch, stream: str) -> dict[str, JsonValue]:
    return {
        "url": {"env": options.url.env} if isinstance(options.url, SecretRef) else options.url,
        "api_key": {"env": options.api_key.env},
        "stream": stream,
        "ids": options.ids,
        "spool_bytes": size_bytes(options.spool),
    }
