"""The keys of the spec's models: from a location to the fields there."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from mlspec.diagnostics import Location

Shape: typing.TypeAlias = Any
"""A type annotation, as pydantic reads it."""


def variants(shape: Shape) -> Iterator[Shape]:
    """The members of a union without Annotated and type aliases; any other shape is its only member."""
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
    """The keys that a mapping of this shape may have, by alias."""
    result: dict[str, FieldInfo] = {}
    for model in models(shape):
        for name, info in model.model_fields.items():
            result.setdefault(info.alias or name, info)
    return result


def removed_keys(shape: Shape) -> dict[str, str]:
    """The keys that a mapping of this shape had in earlier versions, each with what to do instead."""
    result: dict[str, str] = {}
    for model in models(shape):
        result |= getattr(model, "REMOVED_KEYS", {})
    return result


def below(shape: Shape, step: str | int) -> Shape | None:
    """The shape one step down; Any below untyped values; None if no variant has the key."""
    shapes: list[Shape] = []
    for variant in variants(shape):
        origin: Any = get_origin(variant)
        arguments = get_args(variant)
        if variant is Any or variant is object:
            shapes.append(Any)
        elif isinstance(variant, type) and issubclass(variant, BaseModel):
            shapes += _field(variant, str(step))
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            shapes.append(arguments[1])
        elif variant is dict:
            shapes.append(Any)
        elif origin in (list, tuple, frozenset, set) and isinstance(step, int):
            position = min(step, len(arguments) - 1) if origin is tuple and ... not in arguments else 0
            shapes.append(arguments[position])
    if not shapes:
        return None
    return shapes[0] if len(shapes) == 1 else Union[tuple(shapes)]  # noqa: UP007


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
    """The shape at `location`. A step that is the tag of a union selects the variants with that tag."""
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
    """The steps by which pydantic may name this member of a union in an error's location."""
    names: set[object] = {model.__name__}
    for info in model.model_fields.values():
        if get_origin(info.annotation) is Literal:
            names.update(get_args(info.annotation))
    return names | {getattr(model, "TAG", model.__name__)}


def known(shape: Shape, dotted_key: str) -> bool:
    """Whether `train.learning_rate` is a key of this shape."""
    return at(shape, tuple(dotted_key.split("."))) is not None
