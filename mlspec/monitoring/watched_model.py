"""A served model and its prediction store: what `mlspec monitor` reads, found from the spec and the artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from mlspec.errors import StageError, UnobservableError
from mlspec.monitoring.baseline.reference import VERSION, CategoryReference, Reference
from mlspec.monitoring.compute_reference import model_version, project_reference, stored_reference
from mlspec.monitoring.log_columns import LogColumns
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.monitoring.queries.alerts import Alert, alerts
from mlspec.monitoring.queries.query import ModelShape
from mlspec.monitoring.reference_files import load_reference, referenced_models
from mlspec.monitoring.row_slices import SliceableRows
from mlspec.monitoring.tested_slices import LiveComparison, tested_slices
from mlspec.records.bundle_signature import BundleSignature
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_slice import LiveSlice, named_slices
from mlspec.spec.project import Project

ARTIFACTS: Final = "artifacts"


@dataclass(frozen=True)
class WatchedModel:
    """The model of a project in one environment."""

    project: str
    environment: str
    options: Monitor
    artifacts: Path
    folder: Path
    """The store."""
    signature: BundleSignature
    stored: Reference | None = None
    """The reference, where none is to be computed."""

    @property
    def root(self) -> Path:
        """The folder of the project."""
        return self.artifacts.parent

    @property
    def state(self) -> Path:
        """The folder of detectors, notifications and the loop."""
        return self.folder / "state"

    @cached_property
    def hashed(self) -> frozenset[str]:
        """Inputs of which the log has only hashes."""
        return self._stored("hashed")

    @cached_property
    def redacted(self) -> frozenset[str]:
        """Inputs whose values are not logged."""
        return self._stored("redacted")

    @cached_property
    def hidden(self) -> Mapping[str, str]:
        """Inputs whose values are not in the log, each `hashed` or `redacted`."""
        storage = self.options.storage([i.name for i in self.signature.inputs])
        return {name: how for name, how in storage.items() if how != "full"}

    def _stored(self, how: str) -> frozenset[str]:
        return frozenset(name for name, stored in self.hidden.items() if stored == how)

    @cached_property
    def drift_slices(self) -> Mapping[str, LiveSlice]:
        """The slices whose rows are compared with those of the training data."""
        return named_slices(self.options.drift.slices) if self.options.drift else {}

    @cached_property
    def rows(self) -> SliceableRows:
        """What slices of the live rows can be of."""
        columns = LogColumns.of(self.signature, self.hashed)
        return SliceableRows(columns.inputs, self.hashed, self.redacted)

    @cached_property
    def store(self) -> PredictionStore:
        """The predictions. Without a reference the profiles that are written at sealing have no bins."""
        try:
            reference = self.reference
        except StageError:
            reference = None
        return PredictionStore(self.folder, self.signature, hashed=self.hashed, reference=reference)

    @cached_property
    def reference(self) -> Reference:
        """The training data. Raises UnobservableError if there is neither the data nor a carried reference."""
        return self.stored or project_reference(self.artifacts, self.state, self.compared)

    @cached_property
    def compared(self) -> LiveComparison:
        """What its reference is for."""
        tested = named_slices(self.options.quality.slices) or self.drift_slices or None
        return LiveComparison(self.drift_slices, tested, self.hidden, self.project)

    @cached_property
    def version(self) -> str:
        """The version that a server of the exported model reports."""
        return model_version(self.artifacts)

    def reference_of(self, version: str) -> Reference:
        """The reference of a version that was exported before; of an unknown one that of the exported model."""
        if version == self.version or (digest := self.referenced_models.get(version)) is None:
            return self.reference
        if version not in self._earlier:
            self._earlier[version] = load_reference(self.state, digest) or self.reference
        return self._earlier[version]

    @cached_property
    def _earlier(self) -> dict[str, Reference]:
        return {}

    @cached_property
    def referenced_models(self) -> Mapping[str, str]:
        """The digest of the reference of each version that was exported so far."""
        return {**referenced_models(self.state), self.version: self.reference.digest}

    @cached_property
    def shape(self) -> ModelShape:
        """What queries are about."""
        known = tuple(
            (name, tuple(column.counts))
            for name, column in self.reference.columns.items()
            if isinstance(column, CategoryReference) and name not in self.hashed and not column.other
        )
        inputs = tuple((i.name, i.type) for i in self.signature.inputs if i.name not in self.redacted)
        unlisted = tuple(name for name, kind in inputs if kind == "category" and name not in dict(known))
        task, labels = self.signature.task, self.signature.labels
        sliced, low = bool(self.reference.tested), self.options.low_confidence
        return ModelShape(self.project, task, inputs, labels, low, known, unlisted, sliced)

    @property
    def not_judged(self) -> str:
        """Why the alert on unseen values does not judge an input; empty if it judges all of them."""
        if not self.options.alerts.unseen_rate or not self.shape.unlisted:
            return ""
        names = ", ".join(self.shape.unlisted)
        return (
            f"monitor.alerts.unseen_rate is not checked for {names}: the log has only hashes of the values, or the "
            "training data has more values than mlspec keeps"
        )

    @cached_property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts of the spec."""
        return alerts(self.options.alerts, self.shape)


def with_stored_reference(model: WatchedModel) -> WatchedModel | None:
    """The model with the reference that `mlspec monitor` has stored; None without one that fits the spec."""
    reference = stored_reference(model.artifacts, model.state)
    if reference is None or reference.version != VERSION:
        return None
    _, needed = tested_slices(reference.columns, model.hidden, model.compared.tested)
    return replace(model, stored=reference) if dict(reference.tested) == needed else None


def watched_model(project: Project, root: Path) -> WatchedModel:
    """The model of `project`. Raises UnobservableError where there is nothing to watch."""
    options = project.get(Monitor)
    if options is None:
        raise UnobservableError("the spec has no section `monitor`", help="add to mlproject.yaml: monitor: {drift: {}}")
    artifacts = root / ARTIFACTS
    signature = BundleSignature.find(artifacts)
    if signature is None:
        raise UnobservableError(
            "no exported model: artifacts/bundle/signature.json does not exist",
            help="run the pipeline up to the export: mlspec apply --until export",
        )
    environment = project.environment or ""
    return WatchedModel(project.info.name, environment, options, artifacts, root / options.log.folder, signature)
