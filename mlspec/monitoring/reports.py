"""What `mlspec monitor` reports to Elasticsearch: documents about drift and quality, which Kibana's rules read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import JsonValue

from mlspec.errors import StageError
from mlspec.monitoring.drift.drift_alarm import Alarm, utc
from mlspec.monitoring.quality_state import QualityLook

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


@dataclass(frozen=True, slots=True)
class MonitorReport:
    """One document: about a column that moved, or about the quality of a version."""

    version: str
    values: Mapping[str, JsonValue]

    def document(self, model: str, now: datetime) -> dict[str, JsonValue]:
        """The document with field names of the Elastic Common Schema."""
        return {
            "@timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "event": {"kind": "metric"},
            "service": {"name": model, "version": self.version},
            "monitor": dict(self.values),
        }


def reports(alarms: Sequence[Alarm], quality: QualityLook) -> Iterator[MonitorReport]:
    """One for each open alarm of drift, and one for each version whose quality is measured or estimated."""
    for alarm in alarms:
        values: dict[str, JsonValue] = {
            "column": alarm.column, "kind": alarm.kind, "drift_evidence": alarm.evidence, "effect": alarm.effect.size,
            "direction": alarm.direction, "since": utc(alarm.since_time), "rows": alarm.rows, "alarm": 1,
        }  # fmt: skip
        yield MonitorReport(alarm.group.version, values)
    measured = {each.version: each.measured for each in quality.versions if each.measured is not None}
    for version in sorted(measured.keys() | quality.estimates.keys()):
        values = {}
        if (known := measured.get(version)) is not None:
            share = known.rows / quality.rows if quality.rows else 0.0
            values = {"metric": known.metric, "quality": known.value, "labelled_share": min(share, 1.0)}
        if (estimate := quality.estimates.get(version)) is not None:
            values |= {"metric": estimate.metric, "quality_estimated": estimate.value}
        yield MonitorReport(version, values)


def send(client: Elasticsearch, stream: str, documents: Sequence[Mapping[str, JsonValue]]) -> None:
    """Add the documents to the data stream. Raises StageError if Elasticsearch does not take all of them."""
    from elasticsearch import ApiError, TransportError
    from elasticsearch.helpers import bulk

    actions = [{"_op_type": "create", "_index": stream, "_source": document} for document in documents]
    try:
        _, errors = bulk(client, actions, raise_on_error=False)
    except (ApiError, TransportError) as error:
        raise StageError(
            f"Elasticsearch did not store the reports: {error}", help="check the address and the API key"
        ) from None
    if isinstance(errors, list) and errors:
        raise StageError(
            f"Elasticsearch refused {len(errors)} reports: {errors[0]}", help="install the templates: mlspec apply"
        )
