"""A section of the spec as a Hydra config group: the keys of its file, and a comment for each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from mlspec.source.document import Plain
from mlspec.spec.spec_model import SpecModel

Path = tuple[str, ...]


@dataclass(frozen=True)
class GroupFile:
    """What `conf/SECTION/default.yaml` holds."""

    about: str
    """What the section is for, in one line."""
    values: Plain
    comments: Mapping[Path, str]
    """What each key means, by its path. Where several mappings have the same keys, those of the first only."""


def group_file(section: BaseModel | None, values: Plain) -> GroupFile:
    """The values of a section without the keys that no stage reads, and without those that are null by default.

    A key that dvc.yaml names has a default that is not null: DVC fails on a key that is missing, and does not notice
    one that disappears.
    """
    walk = _GroupWalk()
    kept = walk.kept(section, values, ())
    about = (type(section).__doc__ or "").strip().split("\n")[0] if section is not None else ""
    return GroupFile(about, kept, walk.comments)


@dataclass
class _GroupWalk:
    comments: dict[Path, str] = field(default_factory=dict)
    described: set[tuple[type[object], str]] = field(default_factory=set)

    def kept(self, node: object, values: Plain, at: Path) -> Plain:
        """`values` as the file has them; `node` is the model, mapping or value that they were dumped from."""
        if isinstance(node, RootModel):
            node = node.root
        if isinstance(values, dict):
            return self._mapping(node, values, at)
        if isinstance(values, list) and isinstance(node, list | tuple) and len(node) == len(values):
            return [_GroupWalk().kept(inner, value, ()) for inner, value in zip(node, values, strict=True)]
        return values

    def _mapping(self, node: object, values: dict[str, Plain], at: Path) -> Plain:
        known, unread = _fields(node), node.unread_keys() if isinstance(node, SpecModel) else frozenset[str]()
        kept: dict[str, Plain] = {}
        for key, value in values.items():
            name, info = known.get(key, (key, None))
            place = (*at, key)
            if key in unread or (value is None and info is not None and info.default is None):
                continue
            if info is not None and info.description and (type(node), key) not in self.described:
                self.described.add((type(node), key))
                self.comments[place] = info.description
            inner = node.get(key) if isinstance(node, Mapping) else getattr(node, name, None)
            kept[key] = self.kept(inner, value, place)
        return kept


def _fields(node: object) -> dict[str, tuple[str, FieldInfo]]:
    """The fields of a model by the key that a user writes."""
    if not isinstance(node, BaseModel):
        return {}
    return {info.alias or name: (name, info) for name, info in type(node).model_fields.items()}
