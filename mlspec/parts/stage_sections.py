"""Which sections of the spec the code of each stage reads. An override of another section would change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_DELIVERED: Final = frozenset({"project", "export", "package", "registry", "deploy"})
_TOOL: Final = _DELIVERED | {"data", "monitor", "ci", "budget", "bucket"}
"""What a delivery tool creates depends on the DVC remote and on the sections that its rights are for, too."""
_FOUNDATIONS: Final = ("foundation", "sam-foundation", "serverless-foundation")
ACCOUNT: Final = frozenset({"bucket", *_FOUNDATIONS, "service", "sam-service", "serverless-service"})
"""Stages that read what no other stage reads: sections and keys that otherwise only decide what is generated."""
READ: Final[Mapping[str, frozenset[str]]] = {
    "fetch": frozenset({"data"}),
    "data": frozenset({"project", "data", "model", "train", "evaluate", "sweep"}),
    "train": frozenset({"project", "data", "model", "train", "evaluate", "track", "sweep"}),
    "track": frozenset({"track"}),
    "evaluate": frozenset({"evaluate", "train"}),
    "gate": frozenset({"evaluate"}),
    "export": frozenset({"project", "export", "evaluate", "train"}),
    "robustness": frozenset({"test"}),
    "textattack": frozenset({"test"}),
    "test": frozenset({"test"}),
    "package": frozenset({"project", "export", "package"}),
    "image": frozenset({"project", "data", "model", "export", "package", "deploy", "monitor"}),
    "bucket": frozenset({"project", "data", "package", "registry", "deploy", "bucket"}),
    "push": _DELIVERED,
    "deploy": _DELIVERED,
    "foundation": _TOOL,
    "service": _TOOL,
    "sam-foundation": _TOOL,
    "sam-service": _TOOL,
    "serverless-foundation": _TOOL,
    "serverless-service": _TOOL,
    "monitor": frozenset({"project", "data", "monitor"}),
}
"""Sections by the name of a stage. A stage that is not listed may read all."""


def readers(section: str) -> tuple[str, ...]:
    """The stages that read a section."""
    return tuple(stage for stage, read in READ.items() if section in read)
