"""A folder of images to rows: a picture's class is the name of a folder above it, of the only one that it can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.parts.data.input_paths import watched
from mlspec.parts.data.raw_rows import Piece
from mlspec.parts.data.sniff import head, is_image
from mlspec.parts.data.source_files import SourceFiles, endings, files, listed, plural, printable
from mlspec.records.decisions import Decision
from mlspec.sections import addresses
from mlspec.sections.data import PICTURES, DataSpec

UNREAD = frozenset({
    "heic", "heif", "hif", "svg", "svgz", "ico", "cur", "icns", "psd", "xcf", "tga", "eps", "ai", "exr", "hdr",
    "jxl", "pcx", "dds", "fits", "fit", "fts", "dcm", "dicom", "nii", "nrrd", "mha", "npy", "npz", "mat", "h5",
    "hdf5", "pt", "cr2", "cr3", "nef", "nrw", "arw", "dng", "orf", "rw2", "raf", "pef", "srw", "raw", "qoi",
    "pfm", "sgi", "rgb", "xbm", "xpm", "wmf", "emf", "mp4", "mov", "avi", "mkv", "webm", "jpx", "jpf", "jpc",
    "j2c",
})  # fmt: skip
"""Endings of images, arrays and films that are not read."""
NOTES = frozenset({
    "txt", "md", "rst", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "html",
    "htm", "log", "pdf", "doc", "docx", "xls", "xlsx", "py", "ipynb", "sh", "bat", "db", "url", "lnk",
    "license", "readme", "gz", "zip", "tar", "tgz", "7z", "rar", "sha256", "md5", "tmp", "bak",
})  # fmt: skip
"""Endings of what may lie beside images."""
SPLIT_NAMES = {"train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid",
               "dev": "valid", "test": "test", "testing": "test"}  # fmt: skip
Steps = tuple[str, ...]


def read(data: DataSpec, root: Path, source: str) -> Piece:
    """A row for each image. Raises StageError where a class or an image format would be left out or be a guess."""
    found = files(root, source, tuple(watched(data)))
    kinds = {file: _kind(file) for file in found.files}
    images = [file for file, kind in kinds.items() if kind == "image"]
    _refuse_unread(root, source, kinds)
    base = _base(root, source)
    steps = [file.relative_to(base).parts[:-1] for file in images]
    classes, decisions = _classes(data, source, images, steps)
    names = [file.relative_to(root).as_posix() for file in images]
    columns = {
        next(iter(data.inputs)): pa.array([f"/{name}" for name in names], pa.string()),
        data.target.column: pa.array(classes, pa.string()),
    }
    said = (*found.decisions, *_left_out(found, kinds), *decisions)
    return Piece(source, pa.table(columns), [0] * len(images), names=[*map(printable, names)], decisions=said)


def _base(root: Path, source: str) -> Path:
    """The folder below which folders name classes."""
    whole = root / source
    if whole.is_dir():
        return whole
    return root / addresses.folder(source) if not whole.exists() else whole.parent


def _kind(file: Path) -> str:
    """`image`; `unread` for an image format that is not read; `note` or `other` for another file."""
    ending = file.suffix[1:].lower()
    if ending in PICTURES:
        return "image"
    if _begins_as_image(file):
        return "image"
    if ending in UNREAD:
        return "unread"
    return "note" if ending in NOTES or not ending else "other"


def _begins_as_image(file: Path) -> bool:
    try:
        return is_image(head(file))
    except OSError as error:
        raise StageError(f"{printable(file.name)} cannot be read: {error.strerror or error}") from None


def _refuse_unread(root: Path, source: str, kinds: Mapping[Path, str]) -> None:
    """Raise StageError where images of a format, or all files of a folder, would not be read."""
    unread = [file for file, kind in kinds.items() if kind == "unread"]
    images = [file for file, kind in kinds.items() if kind == "image"]
    if unread:
        names = listed([file.relative_to(root).as_posix() for file in unread])
        message = f"{len(unread)} of {plural(len(kinds), 'file')} at {source} cannot be read as images"
        help = f"convert them to PNG or TIFF, or move them out of {source}"
        raise StageError(f"{message}: {endings(unread)}: {names}", help=help)
    if not images:
        help = f"image endings that are read: {', '.join(PICTURES)}"
        raise StageError(f"there are no images at {source}, only: {endings(kinds)}", help=help)
    held = {file.parent for file in images}
    for folder in sorted({file.parent for file in kinds} - held):
        own = [file for file in kinds if file.parent == folder]
        inside = any(image.is_relative_to(folder) for image in images)
        if not inside and any(kinds[file] == "other" for file in own):
            name = printable(folder.relative_to(root).as_posix())
            help = f"save them as PNG, or move them out of {source}"
            raise StageError(f"{name} has {plural(len(own), 'file')}, none of them an image: {endings(own)}", help=help)


def _left_out(found: SourceFiles, kinds: Mapping[Path, str]) -> list[Decision]:
    """What was not read, and what was read in spite of its ending."""
    other = [file for file, kind in kinds.items() if kind in ("note", "other")]
    sniffed = [file for file, kind in kinds.items() if kind == "image" and file.suffix[1:].lower() not in PICTURES]
    said = []
    if other:
        reading = f"{len(other)} of {plural(len(found.files), 'file')} not read: {endings(other)}"
        said.append(Decision("files", reading, "data.source"))
    if sniffed:
        reading = f"{plural(len(sniffed), 'file')} read as images by content: {endings(sniffed)}"
        said.append(Decision("files", reading))
    return said


def _classes(
    data: DataSpec, source: str, images: Sequence[Path], steps: Sequence[Steps]
) -> tuple[list[str], list[Decision]]:
    """The class of each image. Raises StageError where there is none, or where several folders could be meant."""
    level = data.target.level
    if level is None:
        _refuse_flat(data, source, images, steps)
        _refuse_splits(source, steps)
        level = _level(data, source, steps)
    depth = abs(level)
    short = [file.name for file, above in zip(images, steps, strict=True) if len(above) < depth]
    if short:
        message = f"{plural(len(short), 'image')} at {source} have fewer than {plural(depth, 'folder')} above them"
        raise StageError(f"{message}: {listed(short)}", help="change data.target.level, or move the images")
    index = level - 1 if level > 0 else level
    return [above[index] for above in steps], [_said(data, level, steps)]


def _said(data: DataSpec, level: int, steps: Sequence[Steps]) -> Decision:
    names = _names(steps, level)
    where = {1: "the first folder below the source", -1: "the folder that holds the image"}.get(
        level, f"folder {level} below the source"
    )
    reading = f"the name of {where}: {listed(sorted(names))}"
    return Decision(f"column {data.target.column}", reading, "data.target.level")


def _names(steps: Sequence[Steps], level: int) -> set[str]:
    return {above[level - 1 if level > 0 else level] for above in steps if len(above) >= abs(level)}


def _refuse_flat(data: DataSpec, source: str, images: Sequence[Path], steps: Sequence[Steps]) -> None:
    """Raise StageError where images lie in the source folder itself, where no folder names their class."""
    flat = [file.name for file, above in zip(images, steps, strict=True) if not above]
    if len(flat) == len(images):
        above, _, name = addresses.folder(source).rstrip("/").rpartition("/")
        what = f"{source} gives one class only: all {plural(len(flat), 'image')} lie directly in `{printable(name)}`"
        named = f": `source: {above}`" if above else ""
        raise StageError(what, help=f"set data.source to the folder that holds a folder for each class{named}")
    if flat:
        message = f"{plural(len(flat), 'image')} lie directly in {source}, without a folder that names a class"
        raise StageError(f"{message}: {listed(flat)}", help=f"move them into the folder of their {data.target.column}")


def _refuse_splits(source: str, steps: Sequence[Steps]) -> None:
    """Raise StageError where folders are named after splits, as in train/CLASS and valid/CLASS."""
    for level in range(1, max(map(len, steps)) + 1):
        names = _names(steps, level)
        splits = {SPLIT_NAMES[name.lower()]: name for name in sorted(names) if name.lower() in SPLIT_NAMES}
        if "train" in splits and 1 < len(splits) == len(names):
            base = addresses.folder(source).rstrip("/")
            own = ", ".join(f"{split}: {base}/{name}" for split, name in sorted(splits.items()) if split != "train")
            help = f"`data: {{source: {base}/{splits['train']}, split: {{{own}}}}}`"
            if level > 1:
                help = "name the images and the split of each in a csv file, and that column in data.split.column"
            message = f"{source} has folders for splits: {listed(sorted(names))}"
            help = f"{help}; if these are classes, set data.target.level to {level}"
            raise StageError(message, help=help, code="split-folders")


def _level(data: DataSpec, source: str, steps: Sequence[Steps]) -> int:
    """The only level whose folders can be the classes: the one that has the declared labels, or several names."""
    depths = {len(above) for above in steps}
    levels: list[int] = [*range(1, min(depths) + 1), *([-1] if len(depths) > 1 else [])]
    wanted = _labels(data)
    fitting = [level for level in levels if wanted and _names(steps, level) <= wanted]
    if len(fitting) == 1:
        return fitting[0]
    several = [level for level in fitting or levels if len(_names(steps, level)) > 1]
    if len(several) < 2:
        return several[0] if several else levels[0]
    readings = "\n".join(f"  level: {level}  {listed(sorted(_names(steps, level)))}" for level in several)
    help = f"set the one that is the class, for example `data: {{target: {{level: {several[0]}}}}}`"
    message = f"more than one folder above the images of {source} could name their {data.target.column}:\n{readings}"
    raise StageError(message, help=help, code="class-folder")


def _labels(data: DataSpec) -> set[str]:
    """Folder names that mean a class, where the spec declares them."""
    return set(data.target.values) or set(data.target.names)
