"""Options of `lock`: how `mlspec lock` chooses releases."""

from typing import ClassVar

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Duration


class LockSpec(SpecModel):
    """Locks of packages with hashes, which `mlspec lock` writes."""

    READ_BY_STAGES: ClassVar[bool] = False

    wait: Duration = Field(
        "7d",
        description="Age that a release must have before `mlspec lock` chooses it: most malicious releases are found "
        "and removed within days. `0s` does not wait",
    )
