"""A folder of images to rows: the class of an image is the name of a folder above it."""

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
"""Extensions of image, array and video formats that are not supported."""
NOTES = frozenset({
    "txt", "md", "rst", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "html",
    "htm", "log", "pdf", "doc", "docx", "xls", "xlsx", "py", "ipynb", "sh", "bat", "db", "url", "lnk",
    "license", "readme", "gz", "zip", "tar", "tgz", "7z", "rar", "sha256", "md5", "tmp", "bak",
})  # fmt: skip
"""Extensions of files that may lie beside images and are ignored."""
SPLIT_NAMES = {"train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid",
               "dev": "valid", "test": "test", "testing": "test"}  # fmt: skip
Steps = tuple[str, ...]


def read(data: DataSpec, root: Path, source: str) -> Piece:
    """One row for each image: its path and its class.

    Raises StageError if the class of an image is ambiguous, or if images of an unsupported format would be left out.
    """
    source_files = files(root, source, tuple(watched(data)))
    kinds = {file: _kind(file) for file in source_files.files}
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
    all_decisions = (*source_files.decisions, *_left_out(source_files, kinds), *decisions)
    return Piece(source, pa.table(columns), [0] * len(images), names=[*map(printable, names)], decisions=all_decisions)


def _base(root: Path, source: str) -> Path:
    """The folder whose subfolders are named after classes."""
    whole = root / source
    if whole.is_dir():
        return whole
    return root / addresses.folder(source) if not whole.exists() else whole.parent


def _kind(file: Path) -> str:
    """`image`; `unread` for an unsupported image format; `note` or `other` for any other file."""
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
        message = f"cannot read {printable(file.name)}: {error.strerror or error}"
        raise StageError(message, help="fix its permissions, or remove it from the data") from None


def _refuse_unread(root: Path, source: str, kinds: Mapping[Path, str]) -> None:
    """Raise StageError if images of an unsupported format, or all files of a folder, would be left out."""
    unread = [file for file, kind in kinds.items() if kind == "unread"]
    images = [file for file, kind in kinds.items() if kind == "image"]
    if unread:
        names = listed([file.relative_to(root).as_posix() for file in unread])
        message = f"{len(unread)} of {plural(len(kinds), 'file')} in {source} have an unsupported image format"
        help = f"convert them to PNG or TIFF, or move them out of {source}"
        raise StageError(f"{message}: {endings(unread)}: {names}", help=help)
    if not images:
        help = f"set data.source to a folder of images; supported: {', '.join(PICTURES)}"
        raise StageError(f"{source} contains no images, only: {endings(kinds)}", help=help)
    held = {file.parent for file in images}
    for folder in sorted({file.parent for file in kinds} - held):
        own = [file for file in kinds if file.parent == folder]
        inside = any(image.is_relative_to(folder) for image in images)
        if not inside and any(kinds[file] == "other" for file in own):
            name = printable(folder.relative_to(root).as_posix())
            help = f"save them as PNG, or move them out of {source}"
            what = f"{name} contains {plural(len(own), 'file')} but no image: {endings(own)}"
            raise StageError(what, help=help)


def _left_out(source_files: SourceFiles, kinds: Mapping[Path, str]) -> list[Decision]:
    """The files that were ignored, and those that were read as images despite their extension."""
    other = [file for file, kind in kinds.items() if kind in ("note", "other")]
    sniffed = [file for file, kind in kinds.items() if kind == "image" and file.suffix[1:].lower() not in PICTURES]
    decisions = []
    if other:
        reading = f"{len(other)} of {plural(len(source_files.files), 'file')} not read: {endings(other)}"
        decisions.append(Decision("files", reading, "data.source"))
    if sniffed:
        reading = f"{plural(len(sniffed), 'file')} read as images by content: {endings(sniffed)}"
        decisions.append(Decision("files", reading))
    return decisions


def _classes(
    data: DataSpec, source: str, images: Sequence[Path], steps: Sequence[Steps]
) -> tuple[list[str], list[Decision]]:
    """The class of each image, with the decision about it. Raises StageError if it is missing or ambiguous."""
    level = data.target.level
    if level is None:
        _refuse_flat(data, source, images, steps)
        _refuse_splits(source, steps)
        level = _level(data, source, steps)
    depth = abs(level)
    short = [file.name for file, above in zip(images, steps, strict=True) if len(above) < depth]
    if short:
        message = f"{plural(len(short), 'image')} in {source} have fewer than {plural(depth, 'folder')} above them"
        raise StageError(f"{message}: {listed(short)}", help="change data.target.level, or move the images")
    index = level - 1 if level > 0 else level
    return [above[index] for above in steps], [_level_decision(data, level, steps)]


def _level_decision(data: DataSpec, level: int, steps: Sequence[Steps]) -> Decision:
    names = _names(steps, level)
    where = {1: "the first folder below the source", -1: "the folder that holds the image"}.get(
        level, f"folder {level} below the source"
    )
    reading = f"the name of {where}: {listed(sorted(names))}"
    return Decision(f"column {data.target.column}", reading, "data.target.level")


def _names(steps: Sequence[Steps], level: int) -> set[str]:
    return {above[level - 1 if level > 0 else level] for above in steps if len(above) >= abs(level)}


def _refuse_flat(data: DataSpec, source: str, images: Sequence[Path], steps: Sequence[Steps]) -> None:
    """Raise StageError if images lie directly in the source folder, so that no folder gives their class."""
    flat = [file.name for file, above in zip(images, steps, strict=True) if not above]
    if len(flat) == len(images):
        above, _, name = addresses.folder(source).rstrip("/").rpartition("/")
        what = f"{source} has a single class: all {plural(len(flat), 'image')} lie directly in `{printable(name)}`"
        named = f": `source: {above}`" if above else ""
        raise StageError(what, help=f"set data.source to the folder that contains one folder for each class{named}")
    if flat:
        message = f"{plural(len(flat), 'image')} lie directly in {source}, not in a folder named after a class"
        raise StageError(f"{message}: {listed(flat)}", help=f"move each into the folder of its {data.target.column}")


def _refuse_splits(source: str, steps: Sequence[Steps]) -> None:
    """Raise StageError if folders are named after splits, as in train/CLASS and valid/CLASS."""
    for level in range(1, max(map(len, steps)) + 1):
        names = _names(steps, level)
        splits = {SPLIT_NAMES[name.lower()]: name for name in sorted(names) if name.lower() in SPLIT_NAMES}
        if "train" in splits and 1 < len(splits) == len(names):
            base = addresses.folder(source).rstrip("/")
            own = ", ".join(f"{split}: {base}/{name}" for split, name in sorted(splits.items()) if split != "train")
            help = f"`data: {{source: {base}/{splits['train']}, split: {{{own}}}}}`"
            if level > 1:
                help = "list the images and their splits in a csv file, and set data.split.column to the split column"
            message = f"the folders in {source} are named after splits: {listed(sorted(names))}"
            help = f"{help}; if these are classes, set data.target.level to {level}"
            raise StageError(message, help=help, code="split-folders")


def _level(data: DataSpec, source: str, steps: Sequence[Steps]) -> int:
    """The only level whose folders can be the classes: it has the declared labels, or more than one name.

    Raises StageError if several levels are possible.
    """
    depths = {len(above) for above in steps}
    levels: list[int] = [*range(1, min(depths) + 1), *([-1] if len(depths) > 1 else [])]
    labels = _labels(data)
    fitting = [level for level in levels if labels and _names(steps, level) <= labels]
    if len(fitting) == 1:
        return fitting[0]
    candidates = [level for level in fitting or levels if len(_names(steps, level)) > 1]
    if len(candidates) < 2:
        return candidates[0] if candidates else levels[0]
    readings = "\n".join(f"  level: {level}  {listed(sorted(_names(steps, level)))}" for level in candidates)
    help = f"set the level of the class, for example `data: {{target: {{level: {candidates[0]}}}}}`"
    message = f"several folder levels in {source} could be the {data.target.column} of the images:\n{readings}"
    raise StageError(message, help=help, code="class-folder")


def _labels(data: DataSpec) -> set[str]:
    """The folder names that the spec declares as classes; empty if it declares none."""
    return set(data.target.values) or set(data.target.names)
