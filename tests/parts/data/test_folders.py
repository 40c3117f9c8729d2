"""Folders of images: which folder is the class, and files that are no images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from mlspec.sections.data import DataSpec
from tests.parts.data.project import data_splits, read, rows, write
from tests.parts.data.test_images import picture
from tests.parts.data.test_source_files import POINTER, decisions_of, refused

HOW: dict[str, Any] = {"source": "data/pets", "inputs": {"picture": "image"}, "target": {"column": "kind"}}


def pets(root: Path, *folders: str, count: int = 8, ending: str = "png", **how: Any) -> None:
    for shade, folder in enumerate(folders):
        for i in range(count):
            write(root, {f"data/pets/{folder}/{i}.{ending}": picture(30 * shade + i, **how)})


def labels(root: Path, **settings: Any) -> list[str]:
    data_splits(root, **(HOW | settings))
    record: list[str] = read(root, "schema.json")["target"]["labels"]
    return record


CROSSED = ("cat/monday", "cat/tuesday", "dog/monday", "dog/tuesday")


def test_folders_below_class_folders_are_asked_for(tmp_path: Path) -> None:  # haesleinhuepf/apoc#37
    pets(tmp_path, *CROSSED)
    error = refused(tmp_path, **HOW)
    assert error.code == "class-folder"
    assert "level: 1  cat, dog\n" in error.message
    assert "level: 2  monday, tuesday" in error.message
    assert "data: {target: {level: 1}}" in error.help
    assert labels(tmp_path, target={"column": "kind", "level": 1}) == ["cat", "dog"]
    assert "column kind: the name of the first folder below the source: cat, dog" in decisions_of(tmp_path)
    for level in (2, -1):
        assert labels(tmp_path, target={"column": "kind", "level": level}) == ["monday", "tuesday"]


def test_declared_labels_are_the_only_reading(tmp_path: Path) -> None:
    pets(tmp_path, *CROSSED)
    assert labels(tmp_path, target={"column": "kind", "labels": ["dog", "cat"]}) == ["dog", "cat"]
    assert labels(tmp_path, target={"column": "kind", "labels": ["monday", "tuesday"]}) == ["monday", "tuesday"]
    values = {"cat": "no", "dog": "yes"}
    assert labels(tmp_path, target={"column": "kind", "labels": ["no", "yes"], "values": values}) == ["no", "yes"]


@pytest.mark.parametrize(
    "folders",
    [("cat", "dog"), ("cat/images", "dog/images"), ("photos/cat", "photos/dog"), ("a/cat/x", "a/dog/x")],
)
@pytest.mark.parametrize("source", ["data/pets", "data/pets/**/*.png"])
def test_the_only_level_that_separates_anything_is_the_class(
    tmp_path: Path, folders: tuple[str, ...], source: str
) -> None:
    pets(tmp_path, *folders)
    assert labels(tmp_path, source=source) == ["cat", "dog"]


def test_a_pattern_counts_from_its_fixed_part(tmp_path: Path) -> None:
    pets(tmp_path, "cat", "dog")
    assert labels(tmp_path, source="data/*/*/*.png", target={"column": "kind", "level": 2}) == ["cat", "dog"]
    assert labels(tmp_path, source="data/pets/*/*.png") == ["cat", "dog"]


def test_folders_of_different_depth_are_asked_for(tmp_path: Path) -> None:
    pets(tmp_path, "cat", "dog", "dog/more")
    error = refused(tmp_path, **HOW)
    assert "level: 1  cat, dog\n  level: -1  cat, dog, more" in error.message
    assert labels(tmp_path, target={"column": "kind", "level": 1}) == ["cat", "dog"]
    error = refused(tmp_path, **(HOW | {"target": {"column": "kind", "level": 2}}))
    assert "16 images in data/pets have fewer than 2 folders above them" in error.message


def test_images_without_a_class_folder(tmp_path: Path) -> None:  # pytorch/vision#669
    pets(tmp_path, "dog", "cat")
    error = refused(tmp_path, **(HOW | {"source": "data/pets/dog"}))
    assert "data/pets/dog has a single class: all 8 images lie directly in `dog`" in error.message
    assert "`source: data/pets`" in error.help
    write(tmp_path, {"data/pets/9.png": picture(1)})
    assert "1 image lie directly in data/pets, not in a folder" in refused(tmp_path, **HOW).message


def test_folders_of_splits_are_no_classes(tmp_path: Path) -> None:
    pets(tmp_path, "train/cat", "train/dog", "val/cat", "val/dog")
    error = refused(tmp_path, **HOW)
    assert "the folders in data/pets are named after splits: train, val" in error.message
    assert "data: {source: data/pets/train, split: {valid: data/pets/val}}" in error.help
    assert labels(tmp_path, source="data/pets/train", split={"valid": "data/pets/val"}) == ["cat", "dog"]


@pytest.mark.parametrize("level", [0, 17])
def test_a_level_that_is_none(level: int) -> None:
    with pytest.raises(ValueError, match="level"):
        DataSpec.model_validate(HOW | {"target": {"column": "kind", "level": level}})


READ = ("tif", "TIFF", "jfif", "jpe", "ppm", "pgm", "bmp", "webp", "PNG", "avif", "jp2")
WRITTEN_AS = {"tif": "tiff", "jfif": "jpeg", "jpe": "jpeg", "pgm": "ppm", "jp2": "jpeg2000"}


@pytest.mark.parametrize("ending", READ)
def test_no_format_vanishes(tmp_path: Path, ending: str) -> None:
    pets(tmp_path, "cat")
    pets(tmp_path, "dog", ending=ending, format=WRITTEN_AS.get(ending, ending.lower()), size=(16, 16))
    tables = data_splits(tmp_path, **HOW)
    assert len(rows(tables)) == 16
    assert read(tmp_path, "schema.json")["target"]["labels"] == ["cat", "dog"]


@pytest.mark.parametrize("ending", ["heic", "svg", "dcm", "psd", "npy"])
def test_image_formats_that_are_not_read_are_refused(tmp_path: Path, ending: str) -> None:
    pets(tmp_path, "cat", "dog")
    write(tmp_path, {f"data/pets/dog/{name}.{ending}": "something" for name in ("x", "y")})
    error = refused(tmp_path, **HOW)
    assert (
        f"2 of 18 files in data/pets have an unsupported image format: .{ending} (2): data/pets/dog/x.{ending}"
        in error.message
    )
    assert "convert them to PNG" in error.help


def test_a_class_whose_files_are_all_unknown_does_not_vanish(tmp_path: Path) -> None:
    pets(tmp_path, "cat", "dog")
    write(tmp_path, {f"data/pets/bird/{i}.xyz": "something" for i in range(3)})
    assert "data/pets/bird contains 3 files but no image: .xyz (3)" in refused(tmp_path, **HOW).message


def test_other_files_are_reported_by_extension(tmp_path: Path) -> None:
    pets(tmp_path, "cat", "dog")
    others = ("cat/notes.txt", "dog/notes.txt", "Thumbs.db", "cat/.DS_Store", "cat/._0.png", ".ipynb_checkpoints/0.png")
    write(tmp_path, {f"data/pets/{name}": "something" for name in others})
    assert len(rows(data_splits(tmp_path, **HOW))) == 16
    assert "files: 3 of 19 files not read: .txt (2), .db (1)" in decisions_of(tmp_path)
    assert "files: 3 hidden files not read: .png (2), .ds_store (1)" in decisions_of(tmp_path).lower()


def test_content_says_what_a_file_is(tmp_path: Path) -> None:
    pets(tmp_path, "cat", "dog")
    write(tmp_path, {"data/pets/cat/photo.png": picture(1, format="jpeg"), "data/pets/dog/0011": picture(2)})
    assert len(rows(data_splits(tmp_path, **HOW))) == 18
    assert "images picture: 1 of 18 images: named .png, read as JPEG" in decisions_of(tmp_path)
    assert "files: 1 file read as images by content: 0011 (1)" in decisions_of(tmp_path)


def test_images_that_are_placeholders_or_empty(tmp_path: Path) -> None:
    pets(tmp_path, "cat", "dog")
    write(tmp_path, {"data/pets/cat/x.png": POINTER, "data/pets/dog/y.png": ""})
    message = refused(tmp_path, **HOW).message
    assert "picture is a git-lfs pointer, not the data itself: run `git lfs pull`" in message
    assert "picture is empty (0 bytes): 1 row\n      data/pets/dog/y.png" in message


def test_images_behind_a_link(tmp_path: Path) -> None:  # treeverse/dvc#764, #1648
    pets(tmp_path / "disk", "cat", "dog")
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "data/pets").symlink_to(tmp_path / "disk/data/pets")
    for source in ("data/pets", "data/pets/*/*.png"):
        assert labels(root, source=source) == ["cat", "dog"]
        assert f"data/pets links to a path outside the project: {tmp_path / 'disk/data/pets'}" in decisions_of(root)


def test_a_linked_class_folder_is_declared(tmp_path: Path) -> None:
    pets(tmp_path, "cat")
    pets(tmp_path / "disk", "dog")
    (tmp_path / "data/pets/dog").symlink_to(tmp_path / "disk/data/pets/dog")
    with pytest.raises(StageError, match="data/pets/dog is a link to a folder"):
        data_splits(tmp_path, **HOW)
    assert labels(tmp_path, deps=["data/pets/dog"]) == ["cat", "dog"]
