"""What Terraform or SAM gave back of what it created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from mlspec.records.record_file import Record


class FoundationOutputs(Record):
    """Outputs of the module or stack `foundation`: what exists before an image can be pushed."""

    FILE: ClassVar[str] = "foundation.json"
    STAGE: ClassVar[str] = "foundation"

    outputs: Mapping[str, str] = Field(description="Output to its value; of Terraform, sensitive ones are left out")


class ServiceOutputs(Record):
    """Outputs of the module or stack `service`: the function and its address."""

    FILE: ClassVar[str] = "service.json"
    STAGE: ClassVar[str] = "service"

    outputs: Mapping[str, str] = Field(description="Output to its value; of Terraform, sensitive ones are left out")
