"""The keys of a section that no stage reads: they only decide what is generated. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, RootModel

from mlspec.spec.keys import Shape, at, models
from mlspec.spec.spec_model import SpecModel


def unread_key(section: BaseModel | None, shape: Shape, steps: Sequence[str]) -> tuple[str, ...]:
    """The first key on the way to `steps` that no stage reads; empty if a stage reads them.

    `section` is the value that the spec has, and `shape` the type that it has.
    """
    return _of_values(section, steps) or _of_types(shape, steps)


def _of_values(node: object, steps: Sequence[str]) -> tuple[str, ...]:
    for depth, step in enumerate(steps, 1):
        if isinstance(node, RootModel):
            node = node.root
        if isinstance(node, SpecModel):
            if step in node.unread_keys():
                return tuple(steps[:depth])
            node = next((v for k, v in _entries(node) if k == step), None)
        else:
            node = node.get(step) if isinstance(node, Mapping) else None
    return ()


def _entries(model: SpecModel) -> list[tuple[str, object]]:
    return [(info.alias or name, getattr(model, name)) for name, info in type(model).model_fields.items()]


def _of_types(shape: Shape, steps: Sequence[str]) -> tuple[str, ...]:
    for depth, step in enumerate(steps):
        above = at(shape, tuple(steps[:depth]))
        if above is None:
            return ()
        if any(step in model.UNREAD_KEYS for model in models(above) if issubclass(model, SpecModel)):
            return tuple(steps[: depth + 1])
    return ()
