"""Which versions answer requests now: an alarm about a version that no longer does is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mlspec.monitoring.drift_state import DriftLook
from mlspec.monitoring.panel_data import RunQuery
from mlspec.monitoring.quality_state import QualityLook

RECENT: Final = 50
"""Newest requests among which a version has to be. A rollout leaves the earlier version half of the traffic or more
until its last step."""
RECENT_EXPORTED: Final = 1000
"""The same for the exported model, which may be a canary with a small share."""


def answering_versions(run: RunQuery, exported: str) -> frozenset[str]:
    """The versions that answer requests; `exported` is that of the project's model."""
    newest = "SELECT version FROM predictions WHERE version IS NOT NULL ORDER BY time DESC LIMIT"
    versions = run(f"SELECT DISTINCT version FROM ({newest} {RECENT})").column(0).to_pylist()
    count = run(f"SELECT COUNT(*) FROM ({newest} {RECENT_EXPORTED}) WHERE version = ?", [exported])
    return frozenset([*versions, *([exported] if count.column(0)[0].as_py() else [])])


def drift_of(look: DriftLook, versions: frozenset[str]) -> DriftLook:
    """The alarms and scores of these versions."""
    alarms = tuple(a for a in look.alarms if not a.group.version or a.group.version in versions)
    return replace(look, alarms=alarms, scores=tuple(s for s in look.scores if s.group.version in versions))


def quality_of(quality: QualityLook, versions: frozenset[str]) -> QualityLook:
    """The quality of these versions."""
    estimates = {version: each for version, each in quality.estimates.items() if version in versions}
    own = tuple(each for each in quality.versions if each.version in versions)
    return replace(quality, versions=own, estimates=estimates, expected=quality.expected.of(versions))
