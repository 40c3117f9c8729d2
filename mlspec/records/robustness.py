"""How many predictions do not change when rows are perturbed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from mlspec.records.record_file import Finite, Record, Value


class Perturbation(Value):
    """The result of one perturbation."""

    agreement: Finite = Field(description="Share of unchanged predictions, 0..1")
    rows: int = Field(description="Rows that it changes")


class RobustnessResult(Record):
    """The results of all perturbations."""

    FILE: ClassVar[str] = "metrics/robustness.json"
    STAGE: ClassVar[str] = "robustness"

    passed: bool = Field(description="Whether each agreement reaches the minimum")
    min_agreement: Finite = Field(description="The minimum, from the spec")
    perturbations: Mapping[str, Perturbation] = Field({}, description="By name")
