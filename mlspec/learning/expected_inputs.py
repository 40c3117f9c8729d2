"""What evaluation, export and serving give `forward`: the rows of each split, prepared as the spec declares."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import Preprocess, load
from mlspec.runtime.preprocess.fit import write
from mlspec.runtime.preprocess.mixed import FILE
from mlspec.sections.model import Custom


@dataclass(frozen=True)
class ExpectedInputs:
    """What evaluation, export and serving give: the rows of each split, prepared as the spec declares."""

    model: Custom
    preprocess: Preprocess
    rows: Mapping[str, Rows]
    folder: Path
    """Of the fitted preprocessing."""

    @property
    def declared(self) -> str:
        """`mlspec`, `none`, or the class."""
        return self.model.prepares or str(self.model.preprocess or "mlspec")

    @property
    def other(self) -> str:
        """What the spec could declare instead."""
        return "mlspec" if self.declared == "none" else "none"

    def prepared_otherwise(self) -> Sequence[Any]:
        """The training rows as they were with the other declaration; none where the project has its own."""
        if self.model.prepares:
            return ()
        folder = self.folder.with_name("preprocess-compared")
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("pretrained-*"))
        members = json.loads((folder / FILE).read_text(encoding="utf-8"))["members"]
        write(folder / FILE, members, self.other == "none")
        columns = [*self._columns(members)]
        return load(folder).features(self.rows["train"].table.select(columns).to_pylist())

    def _columns(self, members: Sequence[Mapping[str, Any]]) -> Sequence[str]:
        found: list[str] = []
        for member in members:
            found += [*member.get("inputs", ()), *member.get("numbers", ()), *member.get("categories", ())]
            found += [member["input"]] if "input" in member else []
        return found
