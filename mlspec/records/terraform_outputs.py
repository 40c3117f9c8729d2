"""What Terraform gave back of the modules that it applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from mlspec.records.record_file import Record


class FoundationOutputs(Record):
    """Outputs of the module `foundation`: what exists before an image can be pushed."""

    FILE: ClassVar[str] = "foundation.json"
    STAGE: ClassVar[str] = "foundation"

    outputs: Mapping[str, str] = Field(description="Output of the module to its value; sensitive ones are left out")


class ServiceOutputs(Record):
    """Outputs of the module `service`: the function and its address."""

    FILE: ClassVar[str] = "service.json"
    STAGE: ClassVar[str] = "service"

    outputs: Mapping[str, str] = Field(description="Output of the module to its value; sensitive ones are left out")
