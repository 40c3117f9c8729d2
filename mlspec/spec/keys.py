"""Which keys a spec's models know: the way from a location to the fields there."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from mlspec.source.document import Location

Shape: typing.TypeAlias = Any
"""A type annotation, as pydantic reads it."""


def variants(shape: Shape) -> Iterator[Shape]:
    """The members of a union, without Annotated and TypeAliases around them; any other shape is its own only member."""
    origin: Any = get_origin(shape)
    if origin is Annotated:
        yield from variants(get_args(shape)[0])
    elif origin is Union or origin is types.UnionType:
        for member in get_args(shape):
            yield from variants(member)
    elif isinstance(shape, type) and issubclass(shape, RootModel):
        yield from variants(shape.model_fields["root"].annotation)
    else:
        yield shape


def models(shape: Shape) -> list[type[BaseModel]]:
    """The models among the variants of `shape`."""
    return [v for v in variants(shape) if isinstance(v, type) and issubclass(v, BaseModel)]


def fields(shape: Shape) -> dict[str, FieldInfo]:
    """Every key that a mapping of this shape may have, by the name that the user writes."""
    found: dict[str, FieldInfo] = {}
    for model in models(shape):
        for name, info in model.model_fields.items():
            found.setdefault(info.alias or name, info)
    return found


def below(shape: Shape, step: str | int) -> Shape | None:
    """The shape one step down; Any below free-form values; None where no variant has such a key."""
    found: list[Shape] = []
    for variant in variants(shape):
        origin: Any = get_origin(variant)
        arguments = get_args(variant)
        if variant is Any or variant is object:
            found.append(Any)
        elif isinstance(variant, type) and issubclass(variant, BaseModel):
            found += _field(variant, str(step))
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            found.append(arguments[1])
        elif variant is dict:
            found.append(Any)
        elif origin in (list, tuple, frozenset, set) and isinstance(step, int):
            found.append(
                arguments[min(step, len(arguments) - 1)] if origin is tuple and ... not in arguments else arguments[0]
            )
    if not found:
        return None
    return found[0] if len(found) == 1 else Union[tuple(found)]  # noqa: UP007


def _field(model: type[BaseModel], key: str) -> list[Shape]:
    own = _annotations(model)
    if key in own:
        return [own[key]]
    if model.model_config.get("extra") == "allow":
        extra = typing.get_type_hints(model).get("__pydantic_extra__", dict[str, Any])
        return [get_args(extra)[1]]
    return []


@functools.cache
def _annotations(model: type[BaseModel]) -> Mapping[str, Shape]:
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def at(shape: Shape, location: Location) -> Shape | None:
    """The shape at `location`. A step that names a union's tag picks the variants of that tag."""
    for step in location:
        down = below(shape, step)
        if down is None:
            chosen = [m for m in models(shape) if step in tags(m)]
            if not chosen:
                return None
            down = Union[tuple(chosen)]  # noqa: UP007
        shape = down
    return shape


def tags(model: type[BaseModel]) -> set[object]:
    """What pydantic may call this member of a union in an error's location."""
    names: set[object] = {model.__name__}
    for info in model.model_fields.values():
        if get_origin(info.annotation) is Literal:
            names.update(get_args(info.annotation))
    return names | {getattr(model, "TAG", model.__name__)}


def known(shape: Shape, dotted_key: str) -> bool:
    """Whether `train.learning_rate` is a key of this shape."""
    return at(shape, tuple(dotted_key.split("."))) is not None
