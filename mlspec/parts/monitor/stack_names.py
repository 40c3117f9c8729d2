"""Names of what a project has in Elasticsearch and Kibana: the same spec gives the same names and ids. Pure."""

from __future__ import annotations

import hashlib
import uuid
from typing import Protocol, TypeVar

from pydantic import BaseModel

from mlspec.sections.monitor import Monitor
from mlspec.spec.project import ProjectInfo

S = TypeVar("S", bound=BaseModel)
DEFAULT = "default"
"""The namespace where no environment is selected."""


class SpecSections(Protocol):
    """Where sections come from: a stage's Job, or the Project of a plan."""

    def get(self, section: type[S]) -> S | None: ...  # noqa: D102

    def need(self, section: type[S]) -> S: ...  # noqa: D102


def part_of_name(text: str) -> str:
    """`text` as one part of a data stream's name, whose parts are separated by dashes."""
    return text.lower().replace("-", "_")


def default_stream(project: str, namespace: str, kind: str = "predictions") -> str:
    """`TYPE-DATASET-NAMESPACE`, the naming scheme of data streams."""
    return f"{kind}-{part_of_name(project)}-{part_of_name(namespace) or DEFAULT}"


def stream_name(spec: SpecSections) -> str:
    """The data stream that predictions go to."""
    options = spec.need(Monitor).elasticsearch
    given = options.index if options else ""
    return given or default_stream(spec.need(ProjectInfo).name, options.namespace if options else "")


def report_stream(spec: SpecSections) -> str:
    """The data stream that `mlspec monitor` reports to."""
    stream = stream_name(spec)
    kind, dash, rest = stream.partition("-")
    return f"monitor-{rest}" if dash and kind == "predictions" else f"monitor-{stream}"


def stable_uuid(*parts: str) -> str:
    """A UUID of version 4 that is a function of `parts`: Kibana accepts no other version as the id of a rule."""
    return str(uuid.UUID(bytes=hashlib.sha256("\0".join(parts).encode()).digest()[:16], version=4))
