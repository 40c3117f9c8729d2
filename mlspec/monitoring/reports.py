"""What `mlspec monitor` reports to Elasticsearch: documents about drift and quality, which Kibana's rules read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import JsonValue

from mlspec.errors import StageError
from mlspec.monitoring.drift.drift_alarm import Alarm, utc
from mlspec.monitoring.drift_state import DriftLook
from mlspec.monitoring.monitor_state import MeasureView, SliceMeasure
from mlspec.monitoring.quality_state import QualityLook
from mlspec.monitoring.slice_quality import SliceLook, SliceQuality

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


@dataclass(frozen=True, slots=True)
class MonitorReport:
    """One document: about a column that moved, about the quality of a version, or, without a version, about a run."""

    version: str
    values: Mapping[str, JsonValue]

    def document(self, model: str, now: datetime) -> dict[str, JsonValue]:
        """The document with field names of the Elastic Common Schema."""
        return {
            "@timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "event": {"kind": "metric"},
            "service": {"name": model, **({"version": self.version} if self.version else {})},
            "monitor": dict(self.values),
        }


def run_report(alarms: int) -> MonitorReport:
    """That `mlspec monitor` has run, with the number of open alarms: all that there is without traffic."""
    return MonitorReport("", {"alarms": alarms})


def reports(
    look: DriftLook | None,
    quality: QualityLook,
    measures: Sequence[MeasureView] = (),
    slices: SliceLook | None = None,
) -> Iterator[MonitorReport]:
    """One for each compared column, for each version whose quality is measured or estimated, for each slice that became
    worse, for each slice that is measured, and for each measure."""
    yield from _drift(look) if look is not None else ()
    known = {each.version: each for each in quality.versions}
    for version in sorted(known.keys() | quality.estimates.keys()):
        values: dict[str, JsonValue] = {}
        if (each := known.get(version)) is not None:
            values = {"quality_alarm": int(version in quality.fallen)}
        if each is not None and each.measured is not None:
            share = each.measured.rows / quality.rows if quality.rows else 0.0
            values |= {"metric": each.measured.metric, "quality": each.measured.value}
            values |= {"quality_low": each.measured.low, "quality_high": each.measured.high}
            values |= {"labelled_share": min(share, 1.0), "quality_expected": each.expected}
        if (estimate := quality.estimates.get(version)) is not None:
            values |= {"metric": estimate.metric, "quality_estimated": estimate.value}
            values |= {"quality_estimated_low": estimate.low, "quality_estimated_high": estimate.high}
            if estimate.tested is not None:
                values.setdefault("quality_expected", estimate.tested)
        yield MonitorReport(version, values)
    if slices is not None:
        yield from map(_worse, slices.worse)
        yield from map(_slice, slices.measures)
    yield from map(_measure, measures)


def _drift(look: DriftLook) -> Iterator[MonitorReport]:
    """Each column of all rows, with or without an alarm; of slices the alarms. A column may have one of each kind."""
    moved = {(alarm.group, alarm.column) for alarm in look.alarms}
    for score in look.scores:
        if not score.group.slice and (score.group, score.column) not in moved:
            share = score.evidence / score.threshold
            values: dict[str, JsonValue] = {"column": score.column, "drift_evidence": score.evidence, "alarm": 0}
            yield MonitorReport(score.group.version, values | {"drift_share": share})
    for alarm in look.alarms:
        yield MonitorReport(alarm.group.version, _alarm(alarm))


def _alarm(alarm: Alarm) -> dict[str, JsonValue]:
    values: dict[str, JsonValue] = {
        "column": alarm.column, "kind": alarm.kind, "drift_evidence": alarm.evidence,
        "drift_share": alarm.evidence / alarm.threshold, "effect": alarm.effect.size,
        "direction": alarm.direction, "since": utc(alarm.since_time), "rows": alarm.rows, "alarm": 1,
    }  # fmt: skip
    return values | {"slice": alarm.group.slice} if alarm.group.slice else values


def _worse(each: SliceQuality) -> MonitorReport:
    values: dict[str, JsonValue] = {"slice": each.slice, "slice_alarm": 1, "slice_expected": each.expected}
    if each.measured is not None:
        values |= {"metric": each.measured.metric, "slice_quality": each.measured.value}
    return MonitorReport(each.version, values)


def _slice(each: SliceMeasure) -> MonitorReport:
    """Its fields are not those of an alarm, which may be about a slice that the test split lacks."""
    values: dict[str, JsonValue] = {
        "slice": each.slice, "metric": each.metric, "slice_measure": each.measured.value,
        "slice_measure_low": each.measured.low, "slice_measure_high": each.measured.high,
        "slice_measure_tested": each.tested, "slice_measure_rows": each.rows,
    }  # fmt: skip
    return MonitorReport(each.version, values)


def _measure(view: MeasureView) -> MonitorReport:
    values: dict[str, JsonValue] = {"metric": view.metric, **({"label": view.label} if view.label else {})}
    for name, each in (("measure", view.measured), ("measure_estimated", view.estimated)):
        if each is not None:
            values |= {name: each.value, f"{name}_low": each.low, f"{name}_high": each.high}
    return MonitorReport(view.version, values)


def send(client: Elasticsearch, stream: str, documents: Sequence[Mapping[str, JsonValue]]) -> None:
    """Add the documents to the data stream. Raises StageError if Elasticsearch does not take all of them."""
    from elasticsearch import ApiError, TransportError

    operations = [part for document in documents for part in ({"create": {}}, document)]
    try:
        items = client.bulk(index=stream, operations=operations)["items"] if operations else []
    except (ApiError, TransportError) as error:
        raise StageError(
            f"Elasticsearch did not store the reports: {error}", help="check the address and the API key"
        ) from None
    outcomes = [item["create"] for item in items]
    reasons = [_reason(outcome["error"]) for outcome in outcomes if "error" in outcome]
    apart = sum(outcome.get("failure_store") == "used" for outcome in outcomes)
    if reasons:
        message = f"Elasticsearch refused {len(reasons)} of {len(documents)} reports for {stream}: {reasons[0]}"
        raise StageError(message, help="mlspec apply, which gives the data stream the fields of this version")
    if apart:
        message = (
            f"{apart} of {len(documents)} reports do not fit the fields of {stream}, and no chart or rule has them"
        )
        help = f"mlspec apply, which gives it the fields of this version; `FROM {stream}::failures` names the field"
        raise StageError(message, help=help)


def _reason(error: Mapping[str, object]) -> str:
    cause = error.get("caused_by")
    parts = [error.get("reason"), cause.get("reason") if isinstance(cause, Mapping) else None]
    return " ".join(": ".join(str(part) for part in parts if part).split())[:300]
