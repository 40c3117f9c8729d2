"""`mlspec monitor power` and `mlspec monitor test`: what the monitoring of a spec can see, before it has to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from mlspec.cli.console import Console
from mlspec.cli.monitoring import served_model
from mlspec.errors import EXIT_OK, EXIT_STAGE, UnobservableError
from mlspec.monitoring.drift.budget import drift_budget
from mlspec.monitoring.drift.power import power_words
from mlspec.monitoring.drift.streams import Streams
from mlspec.monitoring.drift_state import compared_columns, new_drift_monitor
from mlspec.monitoring.incident_detectors import DriftReplay, QualityReplay, slice_replays
from mlspec.monitoring.incidents import IncidentDetector, IncidentReport, prometheus_tests, replay
from mlspec.monitoring.quality_power import power_lines, power_notes
from mlspec.monitoring.quality_state import new_risk_monitor, test_losses
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.sections.monitor_drift import DAY
from mlspec.workspace.spec_file import find_spec

_MINUTES = DAY / 60


def show_power(console: Console, spec: str | None, env: str | None) -> int:
    """Print which changes raise an alarm, and after how many rows, at the declared traffic."""
    model = served_model(spec, env)
    options = model.options.drift
    if options is None:
        raise UnobservableError("the spec has no `monitor.drift`", help="add to mlproject.yaml: monitor: {drift: {}}")
    budget = drift_budget(options)
    monitor = new_drift_monitor(model, options)
    streams = Streams(compared_columns(model, options), options.tolerance)
    numbers = [s for s in streams.streams if s.kind == "value" and s.column not in ("label",)]
    if not numbers:
        raise UnobservableError(
            "no number is compared: all inputs are stored as hashes or not at all",
            help="store inputs in full: monitor.log.inputs: full",
        )
    lines = power_words(numbers[0], monitor.threshold(streams), budget)
    quality, notes = list(power_lines(model)), list(power_notes(model))
    if console.as_json:
        console.document(
            {"ok": True, "columns": len(streams.columns), "power": lines, "quality": quality, "notes": notes}
        )
    first, *rest = lines
    console.out(f"{first[:1].upper()}{first[1:]}.")
    console.out(f"{len(streams.columns)} columns are compared. Half of all changes of one column raise an alarm:")
    for line in rest:
        console.out(f"  {line}")
    if quality:
        console.out(
            "A rise of the errors, of all rows or in one slice, raises an alarm after labelled rows of that kind:"
        )
    for line in (*quality, *(f"note: {note}" for note in notes)):
        console.out(f"  {line}")
    return EXIT_OK


def test_alarms(console: Console, spec: str | None, env: str | None) -> int:
    """Replay incidents through the alerts and detectors of the spec; 4 if one of them can never fire."""
    model = served_model(spec, env)
    per_minute = model.options.drift.rows_per_day() / _MINUTES if model.options.drift else 1.0
    report = replay(model.alerts, model.shape, per_minute, list(_detectors(model)))
    rules = _prometheus(console, spec)
    if console.as_json:
        console.document(_document(report) | {"prometheus": rules, "ok": report.passed and rules is not False})
    for line in _lines(console, report):
        console.out(line)
    if rules is not None:
        console.out(f"promtool test rules: {'passed' if rules else 'failed'}")
    return EXIT_OK if report.passed and rules is not False else EXIT_STAGE


def _detectors(model: WatchedModel) -> Iterator[IncidentDetector]:
    options = model.options.drift
    if options is not None:
        yield DriftReplay(lambda: new_drift_monitor(model, options), compared_columns(model, options))
    losses = test_losses(model)
    if len(losses):
        yield QualityReplay(lambda: new_risk_monitor(model), losses)
    yield from slice_replays(model)


def _prometheus(console: Console, spec: str | None) -> bool | None:
    """Whether the generated unit tests of the rules pass; None without rules or without promtool."""
    folder = find_spec(spec).root / "prometheus"
    if not folder.is_dir():
        return None
    promtool = shutil.which("promtool")
    if promtool is None:
        console.say("promtool is not installed, so the rules of Prometheus were not tested")
        return None
    result = prometheus_tests(folder, promtool)
    if not result.passed:
        console.say(result.output.rstrip())
    return result.passed


def _lines(console: Console, report: IncidentReport) -> Iterator[str]:
    for each in report.replays:
        yield f"{each.incident.name}: {each.incident.title}"
        for fired in each.fired:
            after = f"after {fired.rows:,} rows" + (f", {fired.minutes:.3g} min" if fired.minutes else "")
            yield f"  {console.paint('fires', 'green', stream='out')}  {fired.alert}, {after}"
        if each.reason:
            yield f"  {each.reason}"
        elif not each.fired:
            key = each.incident.key
            watched = each.incident.alert in report.watched
            yield (
                f"  no alert fires: {key} does not notice it" if watched else f"  no alert fires: set {key} in the spec"
            )
    for silent in report.silent:
        yield f"{console.paint('error', 'red', stream='out')}: {silent.alert} never fires: {silent.reason}"
    for name in report.always:
        yield f"{console.paint('error', 'red', stream='out')}: {name} fires on healthy traffic"


def _document(report: IncidentReport) -> dict[str, object]:
    return {
        "incidents": [
            {
                "name": each.incident.name,
                "title": each.incident.title,
                "fired": [{"alert": f.alert, "rows": f.rows, "minutes": f.minutes} for f in each.fired],
                "reason": each.reason,
            }
            for each in report.replays
        ],
        "never": [{"alert": silent.alert, "reason": silent.reason} for silent in report.silent],
        "always": list(report.always),
    }
