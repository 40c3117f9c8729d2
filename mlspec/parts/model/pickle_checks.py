"""Whether the spec names pickles without `model.trust`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from pydantic import BaseModel

from mlspec.diagnostics import Finding, Location
from mlspec.sections.data import DataSpec
from mlspec.sections.model import Custom, ModelSpec, Preprocessing, TextClassifier
from mlspec.source.document import printable
from mlspec.spec.project import Project
from mlspec.spec.spec_model import dotted

CODE = "foreign-pickle"
S = TypeVar("S", bound=BaseModel)
_FIX = "if you trust its author, set `model: {trust: true}`"
_CONVERT = "save the weights as safetensors (`safetensors.torch.save_file`), data as Parquet or JSON"
_SHOWN = 3


def check(project: Project) -> Iterator[Finding]:
    """Pickles that a key of the spec names, as errors; those that a stage opened in its last run, as warnings."""
    model, pickles = project.get(ModelSpec), project.surroundings.pickles
    if not pickles or (model is not None and model.trust):
        return
    named: set[str] = set()
    for at, path in named_files(project):
        if path in pickles:
            named.add(path)
            message = f"{_reference(at, path, pickles[path])}; loading a pickle can run any code"
            yield Finding(CODE, at, message, f"{_CONVERT}; {_FIX}")
    for stage, paths in project.surroundings.reads.items():
        if opened := [path for path in paths if path in pickles and path not in named]:
            message = f"the stage `{stage}` opened {_listed(opened)} in its last run; loading a pickle can run any code"
            yield Finding(CODE, ("model",), message, f"{_CONVERT}; {_FIX}", on="key", severity="warning")


class Sections(Protocol):
    """Where sections come from: a Project, or a stage's Job."""

    def get(self, section: type[S]) -> S | None: ...  # noqa: D102


def _reference(at: Location, path: str, files: tuple[str, ...]) -> str:
    if files == (path,):
        return f"`{dotted(at)}` names the pickle {printable(path)}"
    return f"`{dotted(at)}` names a folder with pickles: {_listed(files)}"


def _listed(files: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return ", ".join(map(printable, files[:_SHOWN])) + more


def named_files(project: Sections) -> Iterator[tuple[Location, str]]:
    """Each text of the spec that may name a file which code loads, with its place."""
    model, data = project.get(ModelSpec), project.get(DataSpec)
    if isinstance(model, TextClassifier) and model.pretrained is not None:
        yield ("model", "pretrained"), model.pretrained
    if isinstance(model, Custom):
        yield from _texts(("model", "args"), model.args)
        yield from _texts(("model", "datamodule_args"), model.datamodule_args)
        if isinstance(model.preprocess, Preprocessing):
            yield from _texts(("model", "preprocess", "args"), model.preprocess.args)
    for number, path in enumerate(data.deps if data is not None else ()):
        yield ("data", "deps", number), path


def _texts(at: Location, value: object) -> Iterator[tuple[Location, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts((*at, str(key)), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts((*at, number), inner)
