"""How many answers stay the same when rows are perturbed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from mlspec.records.record_file import Finite, Record, Value


class Perturbation(Value):
    """The rows that one perturbation changed."""

    agreement: Finite = Field(description="Share of unchanged answers, 0..1")
    rows: int


class RobustnessResult(Record):
    """All perturbations."""

    FILE: ClassVar[str] = "metrics/robustness.json"
    STAGE: ClassVar[str] = "robustness"

    passed: bool
    min_agreement: Finite
    perturbations: Mapping[str, Perturbation] = {}
