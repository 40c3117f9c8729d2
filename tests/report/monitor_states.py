"""A state of a served model with everything that the page can show."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from mlspec.monitoring.monitor_state import (
    ActiveAlarm,
    AlarmFacts,
    ChartLimit,
    ChartLine,
    EstimateView,
    FeatureView,
    LabelMix,
    LabelShareView,
    MeasureView,
    MonitorState,
    PanelView,
    QualityView,
    Signal,
    ValueInterval,
    VersionDiagnosis,
)
from mlspec.monitoring.shift_measure import ShiftMeasure

UNTIL = datetime(2026, 11, 27, 12, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=2)
TIMES = [SINCE + timedelta(hours=hour) for hour in range(48)]


def wave(base: float, size: float, phase: float = 0.0) -> tuple[tuple[datetime, float | None], ...]:
    return tuple((t, base + size * math.sin(i / 6 + phase)) for i, t in enumerate(TIMES))


def full_state(name: str = "cola") -> MonitorState:
    """Alarms, charts of every kind, tables; `name` is used wherever the state has a name from the project."""
    gap = tuple((t, None if 10 < i < 16 else v) for i, (t, v) in enumerate(wave(0.02, 0.015)))
    return MonitorState(
        project=name,
        environment="prod",
        since=SINCE,
        until=UNTIL,
        signals=(
            Signal("Is it up?", "good", "yes", "18,402 requests, the last 12 s ago"),
            Signal("Is it fast?", "good", "41 ms", "p95; limit 500 ms"),
            Signal("Is it still right?", "warn", "0.81", "accuracy of 412 labelled rows, 0.79 to 0.84"),
            Signal("Has it moved?", "bad", "1 input", f"{name} since 26 Nov 09:00"),
        ),
        alarms=(
            ActiveAlarm(
                "moved-age", "moved", f"{name} moved up by 0.42 sd", "0.42 sd (0.31 to 0.55) since row 1,204, version 7",
                SINCE + timedelta(hours=21), "examine the newest rows, then `mlspec monitor retrain`",
                ((("request", "a1"), (name, "<b>61</b>")), (("request", "a2"), (name, "64"))),
                AlarmFacts(name, "8", f"{name}=a", "up", 0.42, 0.31, 0.55, "sd", "measured on the 400 rows", None,
                           2_140_000.0, 1_440_000.0, 642, "ends after 200 more rows without new evidence"),
            ),
        ),
        panels=(
            PanelView("traffic", "Requests by version", "Which version answers?", "stacked", ("per_second",),
                      (ChartLine("7", wave(3, 1)), ChartLine("8", wave(0.6, 0.3, 1)))),
            PanelView("errors", "Error rate by version", "Which version fails?", "lines", ("fraction",),
                      (ChartLine("7", gap), ChartLine("8", wave(0.05, 0.03, 2))), (ChartLimit(0.06, "error-rate"),)),
            PanelView("latency", "Latency", "How slow are the slowest?", "lines", ("milliseconds",),
                      (ChartLine("p50", wave(12, 2)), ChartLine("p95", wave(41, 9)), ChartLine("p99", wave(80, 30)))),
            PanelView("labels", "Prediction mix", "Does the mix of labels move?", "shares", ("count",),
                      (ChartLine(name, wave(70, 20)), ChartLine("unacceptable", wave(30, 10)))),
            PanelView("quality", "Quality", "Is it still right?", "lines", ("fraction",), empty="No labels yet."),
            PanelView("versions", "Versions side by side", "Is the new version better?", "table",
                      ("count", "fraction", "milliseconds"), heads=("version", "requests", "errors", "p95"),
                      cells=((name, 17000.0, 0.021, 41.2), ("8", 1402.0, None, 44.0))),
        ),
        features=(
            FeatureView(name, "number", name, 18402, 0.01, 0.012, None, 41.2, 38.0, ShiftMeasure(0.312, 0.002),
                        ShiftMeasure(0.181, 0.01, 1e-9), ShiftMeasure(0.2, 0.01, 0.0), 2_140_000.0, "bad",
                        "moved up by 0.42 sd"),
            FeatureView("town", "category", "town", 18402, 0.0, 0.0, 0.002, psi=ShiftMeasure(0.001, 0.002),
                        chi_square=ShiftMeasure(0.01, 0.012, 0.31), evidence=653.0, state="good", note="as in training"),
            FeatureView("text", "domain", "wording of text", 18402),
        ),
        diagnoses=(
            VersionDiagnosis("7", "unchanged", "unchanged", ("the inputs have not moved",)),
            VersionDiagnosis("8", "benign drift", "moved, not harmful", (f"moved: {name}", "not harmful: loss 0.1")),
            VersionDiagnosis("9", "unknown", "moved, unknown whether it is harmful", (f"moved: {name}",),
                             "add labels: `mlspec labels add FILE`"),
        ),
        quality=(
            QualityView("7", "", "accuracy", 0.812, 0.79, 0.833, 412, 17000),
            QualityView("7", f"{name}=a", "accuracy", 0.61, 0.52, 0.69, 90, 400),
            QualityView("8", "", "accuracy", None, None, None, 0, 1402),
        ),
        estimates=(EstimateView("8", "accuracy", 0.801, 0.78, 0.822),),
        measures=(MeasureView("8", "accuracy", "", None, ValueInterval(0.801, 0.78, 0.822)),
                  MeasureView("8", "precision", name, ValueInterval(0.75, 0.7, 0.8), ValueInterval(0.801, 0.78, 0.822)),
                  MeasureView("8", "auroc", name, None, ValueInterval(0.9, 0.88, 0.92))),
        estimate_assumption="assumes that scores are calibrated",
        label_bias="the labelled rows are like the others",
        label_mixes=(LabelMix((LabelShareView(name, 0.7, 0.6, 0.52), LabelShareView("other", 0.3, 0.4, 0.48)),
                           "assumes that only the shares have changed", accuracy=ValueInterval(0.7, 0.65, 0.75), version="8"),),
        evidence_threshold=1_440_000.0,
        deployments=((SINCE + timedelta(hours=30), "8"),),
        budget="On data that does not change, an alarm is raised at most once in 90,000 rows on average.",
        notes=("12 records were dropped because the queue was full",),
        dropped={"log": {"queue_full": 12}},
    )  # fmt: skip
