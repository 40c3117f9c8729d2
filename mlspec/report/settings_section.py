"""The completed spec as lines, marked where a value is a default; versions and lineage as rows."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import mlspec
from mlspec.records.lineage import Lineage
from mlspec.records.training import Tuned
from mlspec.render.quoting import flow
from mlspec.run.capabilities import EXTRAS
from mlspec.spec.project import Project


@dataclass(frozen=True, slots=True)
class Line:
    """One line of YAML. `given` says whether the spec file has it; otherwise it is a default."""

    indent: int
    key: str
    value: str
    given: bool


def sections(project: Project, tuned: Tuned | None = None) -> list[tuple[str, list[Line]]]:
    """Each section of the spec with its lines. Secrets are names of environment variables there, never values.

    What was `tuned` is shown beside the value that it replaced.
    """
    lines = {name: list(_lines(value, project.given.get(name), 0)) for name, value in project.values.items()}
    values = tuned.texts if tuned else {}
    if "train" in lines:
        lines["train"] = [_replaced(line, values) for line in lines["train"]]
    return list(lines.items())


def _replaced(line: Line, values: Mapping[str, str]) -> Line:
    if line.indent or line.key not in values:
        return line
    origin = "chosen:" if line.key == "precision" else "train.tune found"
    return replace(line, value=f"{line.value}  # {origin} {values[line.key]}")


def _lines(value: object, given: object, indent: int) -> Iterator[Line]:
    given_keys = given if isinstance(given, dict) else {}
    for key, item in value.items() if isinstance(value, dict) else ():
        own, written = given_keys.get(key), key in given_keys
        if item is None and not written:
            continue
        if isinstance(item, dict) and item and not _short(item):
            inner = list(_lines(item, own, indent + 1))
            yield Line(indent, key, "" if inner else "{}", written)
            yield from inner
        elif isinstance(item, list) and any(isinstance(entry, dict) for entry in item):
            yield Line(indent, key, "", written)
            yield from (Line(indent + 1, "-", flow(entry), written) for entry in item)
        else:
            yield Line(indent, key, flow(item), written)


def _short(value: dict[str, object]) -> bool:
    """Whether a mapping is short enough for one line, as a reference to a secret is."""
    plain = all(not isinstance(item, dict | list) for item in value.values())
    return plain and len(value) <= 3 and len(flow(value)) <= 48


def versions() -> list[tuple[str, str]]:
    """Releases of mlspec, Python and the pipeline's packages that are installed, from their metadata."""
    releases = [("mlspec", mlspec.__version__), ("python", platform.python_version())]
    for package in sorted({r.partition(">=")[0] for extra in ("train", "wandb", "sweep") for r in EXTRAS[extra]}):
        try:
            releases.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return releases


def lineage_rows(lineage: Lineage | None) -> list[tuple[str, str]]:
    """The bundle's lineage, nested keys joined with dots."""
    return list(_flat(lineage.to_json(), "")) if lineage else []


def _flat(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else "none" if value is None else flow(value)
