"""What the prediction log stores of a request, read from `monitoring.json`, which `mlspec build` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from mlspec.runtime.preprocess.bundle_errors import BundleError

FILE: Final = "monitoring.json"
VERSION: Final = 1
Storage: TypeAlias = Literal["full", "hashed", "redacted"]
"""How an input is stored: its value, a hash of its value, or not at all."""
_STORAGES: Final = ("full", "hashed", "redacted")


@dataclass(frozen=True, slots=True)
class ElasticPolicy:
    """The data stream in Elasticsearch; `url` and `api_key` may be names of environment variables."""

    url: str
    url_variable: bool
    api_key_variable: str
    stream: str
    ids: bool = True
    spool_bytes: int = 256_000_000
    """Largest size of what waits on disk while Elasticsearch is down."""


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """What is stored, where, and how often the log is flushed."""

    project: str = ""
    folder: str = ".mlspec/monitor"
    sample: float = 1.0
    """Fraction of the successful predictions that is stored; failures are always stored."""
    flush: float = 1.0
    """Seconds within which an answered request is in the file."""
    low_confidence: float = 0.5
    columns: Mapping[str, Storage] = field(default_factory=dict)
    """How each input is stored; `full` for an input that is not listed."""
    elastic: ElasticPolicy | None = None


def read(path: Path) -> LogPolicy:
    """The policy in the file at `path`. Raises BundleError."""
    try:
        return _policy(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"cannot read {path}: {type(error).__name__}: {error}; run `mlspec build` again") from None


def _policy(data: Mapping[str, object]) -> LogPolicy:
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']}, this runtime supports {VERSION}")
    log = cast("Mapping[str, object]", data["log"])
    return LogPolicy(
        project=str(data["project"]),
        folder=str(log["folder"]),
        sample=_number(log["sample"], 1.0),
        flush=_number(log["flush_seconds"], 3600.0),
        low_confidence=_number(log["low_confidence"], 1.0, 0.0),
        columns={str(name): _storage(value) for name, value in cast("Mapping[str, object]", log["columns"]).items()},
        elastic=_elastic(cast("Mapping[str, object]", data["elasticsearch"])) if "elasticsearch" in data else None,
    )


def _elastic(data: Mapping[str, object]) -> ElasticPolicy:
    url, key = data["url"], cast("Mapping[str, object]", data["api_key"])
    return ElasticPolicy(
        url=str(url["env"] if isinstance(url, Mapping) else url),
        url_variable=isinstance(url, Mapping),
        api_key_variable=str(key["env"]),
        stream=str(data["stream"]),
        ids=bool(data["ids"]),
        spool_bytes=int(_number(data["spool_bytes"], 1e15, 0)),
    )


def _number(value: object, most: float, least: float = 1e-9) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{value!r} is not a number from {least:g} to {most:g}")
    return float(value)


def _storage(value: object) -> Storage:
    if value not in _STORAGES:
        raise ValueError(f"{value!r} is not one of {', '.join(_STORAGES)}")
    return value
