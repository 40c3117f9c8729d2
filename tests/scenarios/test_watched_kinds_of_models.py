"""Every kind of model and of log is observed, shown in every form, and its incidents are replayed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlspec.cli.console import Console
from mlspec.cli.monitor_text import show_state, state_json
from mlspec.monitoring import quality_state
from mlspec.monitoring.baseline.reference import ClassReference, ImageReference, Reference, ValueReference
from mlspec.monitoring.drift_state import compared_columns, new_drift_monitor
from mlspec.monitoring.incident_detectors import DriftReplay, QualityReplay
from mlspec.monitoring.incidents import replay
from mlspec.monitoring.label_store import LabelStore
from mlspec.monitoring.monitor_state import MonitorState
from mlspec.monitoring.observation import Observer
from mlspec.monitoring.panel_data import ViewedRange
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.records.bundle_signature import BundleSignature, SignatureInput
from mlspec.report.monitor_page import monitor_page
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_alerts import Alerts
from tests.monitoring.log_lines import DAY, REGRESSION, SIGNATURE, failure, line, segment
from tests.monitoring.references import REFERENCE, grid

IMAGE = SIGNATURE.model_copy(
    update={"inputs": (SignatureInput(name="photo", type="image", channels=1, height=8, width=8),)}
)
OF_IMAGES = REFERENCE.model_copy(
    update={
        "columns": {"photo": ImageReference(missing=0, mean=grid(1, 500, 0.4, 0.1), contrast=grid(2, 500, 0.2, 0.05))}
    }
)
OF_NUMBERS = REFERENCE.model_copy(
    update={
        "classes": None,
        "values": ValueReference(value=grid(6, 1000, 300_000, 90_000), error=grid(7, 1000, 20_000, 2_000)),
    }
)
TEXT = SIGNATURE.model_copy(update={"inputs": (SignatureInput(name="sentence", type="text"),)})
OF_TEXTS = REFERENCE.model_copy(update={"columns": {"sentence": REFERENCE.columns["sentence"]}})
UNSEEN = Alerts(unseen_rate="> 0.1")
LABELS = ("one", "two", "three")
MANY = SIGNATURE.model_copy(update={"output": SIGNATURE.output.model_copy(update={"labels": LABELS})})
OF_MANY = REFERENCE.model_copy(
    update={
        "classes": ClassReference(
            labels=LABELS,
            score=grid(3, 300, 0.7, 0.05),
            probabilities={name: grid(at, 300, 0.33, 0.1) for at, name in enumerate(LABELS)},
            confusion=((90, 5, 5), (5, 90, 5), (5, 5, 90)),
        )
    }
)


@dataclass(frozen=True)
class Kind:
    """A model and its log. `values` are of each record; with `inputs` they are the stored ones."""

    signature: BundleSignature = SIGNATURE
    reference: Reference = REFERENCE
    values: Mapping[str, Any] = field(default_factory=dict)
    log: Mapping[str, Any] = field(default_factory=dict)
    fails: bool = False

    def record(self, number: int) -> dict[str, Any]:
        if self.fails:
            return failure(number)
        prediction: dict[str, Any] = {"prediction": {"value": 300_000.0 + number}}
        if labels := self.signature.output.labels:
            scores = {name: 0.6 if name == labels[-1] else 0.4 / (len(labels) - 1) for name in labels}
            prediction = {"prediction": {"label": labels[-1], "score": 0.6, "probabilities": scores}}
        return line(number, **(prediction | dict(self.values)))


PIXELS = {"inputs": {}, "lengths": {}, "images": {"photo": {"digest": "x", "mean": 0.41, "contrast": 0.2}}}
KINDS: Mapping[str, Kind] = {
    "two labels": Kind(),
    "three labels": Kind(MANY, OF_MANY),
    "a regression": Kind(REGRESSION, OF_NUMBERS),
    "images": Kind(IMAGE, OF_IMAGES, PIXELS),
    "a regression of images": Kind(
        IMAGE.model_copy(update={"task": "regression", "output": REGRESSION.output}),
        OF_NUMBERS.model_copy(update={"columns": OF_IMAGES.columns}),
        PIXELS,
    ),
    "texts": Kind(TEXT, OF_TEXTS, {"inputs": {"sentence": "as in training"}}),
    "redacted inputs": Kind(
        values={"inputs": {}, "lengths": {}}, log={"columns": dict.fromkeys(("age", "town", "sentence"), "redacted")}
    ),
    "hashed inputs": Kind(
        values={"inputs": {"age": "0123", "town": "4567", "sentence": "89ab"}, "lengths": {}}, log={"inputs": "hashed"}
    ),
    "no inputs": Kind(values={"inputs": {}, "lengths": {}}, log={"inputs": "none"}),
    "failures alone": Kind(fails=True),
    "failures of a regression": Kind(REGRESSION, OF_NUMBERS, fails=True),
}


def watched(kind: Kind, folder: Path) -> WatchedModel:
    """A model with 60 records, and all alerts that it can have."""
    alerts = {"error_rate": "> 0.5", "p95_ms": "> 100", "refused_rate": "> 0.3", "silence": "1h", "min_requests": 5}
    if kind.signature.output.labels:
        alerts["unsure_rate"] = "> 0.9"
    if any(each.type != "image" for each in kind.signature.inputs):
        alerts["missing_rate"] = "> 0.5"
    options = Monitor.model_validate({"drift": {"traffic": "1000 per 1d"}, "alerts": alerts, "log": kind.log})
    state = folder / "state"
    state.mkdir(parents=True)
    (state / f"reference-{kind.reference.digest}.json").write_text(kind.reference.model_dump_json(), encoding="utf-8")
    segment(folder, [kind.record(number) for number in range(1, 61)], "host-1-0-0")
    return WatchedModel("shop", "", options, folder / "artifacts", folder, kind.signature)


def observed(model: WatchedModel) -> MonitorState:
    now = DAY + timedelta(seconds=90)
    return Observer(model, now, ViewedRange(now - timedelta(hours=6), now)).observe().state


@pytest.mark.parametrize("name", KINDS)
def test_a_model_is_observed_with_and_without_labels(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = KINDS[name]
    model = watched(kind, tmp_path)
    states = [observed(model)]
    if not kind.fails:
        own = "label" if kind.signature.output.labels else "value"
        rows = model.store.query(
            f"SELECT id, {own} FROM predictions WHERE time < TIMESTAMPTZ '{DAY:%Y-%m-%d} 00:00:40+00'"
        )
        assert rows.num_rows
        LabelStore(model.store).add(pa.table({"id": rows["id"].cast(pa.string()), own: rows[own]}), DAY)
        states.append(observed(model))
    signals = [{signal.question: signal.answer for signal in state.signals} for state in states]
    assert [each["Is it up?"] for each in signals] == ["100% errors" if kind.fails else "0% errors"] * len(states)
    if not kind.fails:
        assert [each["Is it still right?"] != "no labels" for each in signals][-1]
        assert [state.label_bias != "" for state in states] == [False, True]
    for state in states:
        show_state(Console(), state)
        assert "shop" in capsys.readouterr().out
        assert json.loads(json.dumps(state_json(state)))["project"] == "shop"
        assert "<title>" in monitor_page(state)


@pytest.mark.parametrize("name", ["images", "a regression", "texts", "redacted inputs"])
def test_the_incidents_of_a_model_are_replayed(name: str, tmp_path: Path) -> None:
    model = watched(KINDS[name], tmp_path)
    options = model.options.drift
    assert options is not None
    detectors = (
        DriftReplay(lambda: new_drift_monitor(model, options), compared_columns(model, options)),
        QualityReplay(lambda: quality_state.new_risk_monitor(model), quality_state.test_losses(model)),
    )
    report = replay(model.alerts, model.shape, 100.0, detectors)
    assert report.passed, report
    fired = {each.incident.name: {one.alert for one in each.fired} for each in report.replays}
    assert {"drift", "quality"} <= fired["drift"] | fired["label-flip"] | fired["bad-canary"]
    assert fired["schema-change"], "refused requests at the least"


def test_missing_values_of_an_image_are_not_counted(tmp_path: Path) -> None:
    panels = {panel.id for panel in observed(watched(KINDS["images"], tmp_path)).panels}
    assert "versions" in panels
    assert "missing" not in panels


def test_unseen_values_that_are_not_known_are_not_shown_as_none(tmp_path: Path) -> None:
    """The training data of `town` has more values than the reference keeps, or the log has only hashes."""
    few = REFERENCE.columns["town"].model_copy(update={"other": 0, "other_values": ""})
    listed = Kind(reference=REFERENCE.model_copy(update={"columns": {**REFERENCE.columns, "town": few}}))
    for name, kind in {"many": KINDS["two labels"], "hashed": KINDS["hashed inputs"], "listed": listed}.items():
        model = watched(kind, tmp_path / name)
        model = replace(model, options=model.options.model_copy(update={"alerts": UNSEEN}))
        state = observed(model)
        shown = {panel.id for panel in state.panels}
        assert ("unseen" in shown) == (name == "listed")
        noted = [note for note in state.notes if "unseen_rate is not checked for town" in note]
        assert bool(noted) == (name != "listed")
        assert [alert.name for alert in model.alerts if alert.name == "unseen-rate"] == ["unseen-rate"] * (not noted)
