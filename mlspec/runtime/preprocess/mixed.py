"""Loads the preprocessing of a folder with `preprocess.json`; several kinds of inputs are combined."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mlspec.runtime.preprocess.base import Array, Feature, Preprocess, Row
from mlspec.runtime.preprocess.bundle_errors import BundleError

if TYPE_CHECKING:
    from mlspec.runtime.preprocess.custom import CustomSettings
    from mlspec.runtime.preprocess.image import ImageSettings
    from mlspec.runtime.preprocess.tabular import TabularSettings
    from mlspec.runtime.preprocess.text import TextSettings

    Settings: TypeAlias = TextSettings | TabularSettings | ImageSettings | CustomSettings

FILE = "preprocess.json"
VERSION = 1


class Mixed:
    """The preprocessing of several kinds of inputs, such as text and numbers."""

    def __init__(self, members: Sequence[Preprocess]) -> None:
        self.members = tuple(members)
        self.names = tuple(name for member in self.members for name in member.names)

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """The inputs of all members for each row."""
        parts = [member.features(rows) for member in self.members]
        return [{name: array for part in row for name, array in part.items()} for row in zip(*parts, strict=True)]

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """The batches of all members."""
        return {name: array for member in self.members for name, array in member.collate(features).items()}

    def length(self, feature: Feature) -> int:
        """The maximum length over all members."""
        return max(member.length(feature) for member in self.members)


def load(folder: Path) -> Preprocess:
    """The preprocessing saved in `folder`. Raises BundleError."""
    try:
        described = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if described["version"] != VERSION:
            raise BundleError(f"{folder / FILE} has version {described['version']}, this runtime supports {VERSION}")
        members = [_member(settings, folder) for settings in described["members"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"cannot read {folder / FILE}: {type(error).__name__}: {error}") from None
    if not members:
        raise BundleError(f"{folder / FILE} names no inputs")
    return members[0] if len(members) == 1 else Mixed(members)


def _member(settings: Settings, folder: Path) -> Preprocess:
    """The preprocessing of one kind. Imported lazily: serving numbers does not load a tokenizer."""
    match settings["kind"]:
        case "text":
            from mlspec.runtime.preprocess.text import TextPreprocess

            return TextPreprocess(settings, folder)
        case "tabular":
            from mlspec.runtime.preprocess.tabular import TabularPreprocess

            return TabularPreprocess(settings, folder)
        case "image":
            from mlspec.runtime.preprocess.image import ImagePreprocess

            return ImagePreprocess(settings, folder)
        case "class":
            from mlspec.runtime.preprocess.custom import CustomPreprocess

            return CustomPreprocess(settings, folder)
        case kind:
            raise BundleError(f"{folder / FILE} has inputs of the kind {kind}, which this runtime does not support")
