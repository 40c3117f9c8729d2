"""The root model of a spec, composed of the sections of all parts."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol

from pydantic import BaseModel, Field, RootModel, TypeAdapter, ValidationError, create_model

from mlspec.spec.file_names import FileStem
from mlspec.spec.project import ProjectInfo
from mlspec.spec.spec_model import SpecModel

REQUIRED = ("project", "data", "model")


class HasSections(Protocol):
    """The interface of a part with sections."""

    @property
    def SECTIONS(self) -> Mapping[str, type[BaseModel]]: ...  # noqa: D102, N802


def root_model(parts: Sequence[HasSections]) -> type[SpecModel]:
    """The model of a whole spec. An optional section is None where the spec does not have it."""
    return _root(tuple((name, model) for part in parts for name, model in part.SECTIONS.items()))


def sections(spec: BaseModel) -> dict[str, BaseModel]:
    """The sections of a validated spec by key. Of a section that is a union of models, the actual member."""
    values = {name: _chosen(getattr(spec, name)) for name in type(spec).model_fields}
    return {name: value for name, value in values.items() if isinstance(value, BaseModel)}


def valid_sections(model: type[BaseModel], values: Mapping[str, object]) -> dict[str, BaseModel]:
    """The valid sections of a spec that is not valid as a whole."""
    valid: dict[str, BaseModel] = {}
    for name, value in values.items():
        shape: Any = model.model_fields[name].annotation if name in model.model_fields else None
        with suppress(ValidationError):
            section = _chosen(_adapter(shape).validate_json(json.dumps(value))) if shape is not None else None
            if isinstance(section, BaseModel):
                valid[name] = section
    return valid


@functools.lru_cache(maxsize=256)
def _adapter(shape: Any) -> TypeAdapter[Any]:
    """What validates one section; it takes longer to make than to use."""
    return TypeAdapter(shape)


def _chosen(value: object) -> object:
    return value.root if isinstance(value, RootModel) and isinstance(value.root, BaseModel) else value


@functools.lru_cache(maxsize=8)
def _root(sections: tuple[tuple[str, Any], ...]) -> type[SpecModel]:
    fields: dict[str, Any] = {
        "mlspec": (Literal[1], Field(1, description="Version of the spec language")),
        "project": (ProjectInfo, Field(description="Name and metadata of the project")),
    }
    for name, model in sections:
        description = _first_line(model)
        if name in REQUIRED:
            fields[name] = (model, Field(description=description))
        else:
            fields[name] = (model | None, Field(None, description=description))
    fields["environments"] = (
        dict[FileStem, dict[str, Any]],
        Field({}, description="Overlays of the spec by environment; `--env NAME` selects one"),
    )
    root: type[SpecModel] = create_model("Spec", __base__=SpecModel, __doc__="A machine-learning project.", **fields)
    return root


def _first_line(model: object) -> str:
    return (model.__doc__ or "").strip().split("\n")[0].rstrip(".")
