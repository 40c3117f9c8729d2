"""A folder of images to the sections of a first spec: the folder of an image is its label."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mlspec.drafting.table_draft import SpecDraft
from mlspec.errors import UsageError
from mlspec.sections.data import PICTURES


def draft_images(folder: Path) -> SpecDraft:
    """The first spec of a folder with one folder of images for each class. Raises UsageError for any other folder."""
    files = [file.relative_to(folder) for file in folder.rglob("*") if file.suffix.lower().lstrip(".") in PICTURES]
    labels = Counter(file.parts[0] for file in files if len(file.parts) > 1)
    if len(labels) < 2:
        help = "one folder for each class: cat/1.jpg, dog/1.jpg; a table of image paths: docs/howto/own-data.md"
        raise UsageError(f"{folder} has no folders of images", help=help)
    deep = {len(file.parts) for file in files} != {2}
    target: dict[str, object] = {"column": "label"}
    return SpecDraft(
        inputs={"image": "image"},
        left_out={},
        target={**target, "level": 1} if deep else target,
        model={"type": "image-classifier"},
        train={"class_weights": "balanced"} if min(labels.values()) < 0.5 * max(labels.values()) else {},
        metrics=("accuracy", "f1", "mcc"),
        reasons={"image": f"{sum(labels.values())} images, {len(labels)} classes"},
    )
