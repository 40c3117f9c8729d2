"""Which files a bundle may contain: formats that are data. A pickle runs code when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlspec.errors import StageError
from mlspec.source.pickle_files import begins_as_pickle

FORMATS: Final = (".json", ".onnx")
"""Endings of the files of a bundle: the graph; signature, lineage, profile, preprocessing and tokenizer."""
_CODE: Final = ("preprocess",)
"""Folder whose Python source, a class of the project that prepares rows, is part of the bundle."""


def check(bundle: Path) -> None:
    """Raise StageError if a file of `bundle` has another format, or is a pickle with another ending."""
    for file in sorted(path for path in bundle.rglob("*") if not path.is_dir()):
        path = file.relative_to(bundle)
        source = file.suffix == ".py" and path.parts[:1] == _CODE
        if file.is_symlink() or not (file.suffix in FORMATS or source) or begins_as_pickle(file):
            raise StageError(
                f"the bundle would contain {path.as_posix()}; it may contain only {', '.join(FORMATS)}, and source of "
                "the preprocessing class",
                help="keep what serving needs in the result of the preprocessing class's `state()`, which is JSON",
            )
