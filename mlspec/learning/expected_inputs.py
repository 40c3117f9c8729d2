"""The inputs of `forward` in evaluation, export and serving: the rows of each split, preprocessed as declared."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import Feature, Preprocess, load
from mlspec.runtime.preprocess.fit import write
from mlspec.runtime.preprocess.mixed import FILE
from mlspec.sections.model import Custom


@dataclass(frozen=True)
class ExpectedInputs:
    """The rows of each split, preprocessed as the spec declares, and the folder of the preprocessing."""

    model: Custom
    preprocess: Preprocess
    rows: Mapping[str, Rows]
    folder: Path
    """The folder of the fitted preprocessing."""

    @property
    def declared(self) -> str:
        """The declared preprocessing: `mlspec`, `none`, or the path of a class."""
        return self.model.prepares or str(self.model.preprocess)

    @property
    def other(self) -> str:
        """The alternative declaration: `mlspec` or `none`."""
        return "mlspec" if self.declared == "none" else "none"

    def prepared_otherwise(self) -> Sequence[Feature]:
        """The training rows with the alternative declaration; empty if the preprocessing is a class of the project."""
        if self.model.prepares:
            return ()
        # A folder of its own: each training process of a node compares its inputs at the same time.
        with tempfile.TemporaryDirectory(prefix="mlspec-compared-") as scratch:
            folder = Path(scratch) / self.folder.name
            shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("pretrained-*"))
            members = json.loads((folder / FILE).read_text(encoding="utf-8"))["members"]
            write(folder / FILE, members, self.other == "none")
            columns = [*self._columns(members)]
            return load(folder).features(self.rows["train"].table.select(columns).to_pylist())

    def _columns(self, members: Sequence[Mapping[str, Any]]) -> Sequence[str]:
        columns: list[str] = []
        for member in members:
            columns += [*member.get("inputs", ()), *member.get("numbers", ()), *member.get("categories", ())]
            columns += [member["input"]] if "input" in member else []
        return columns
