"""One damaged data file after another through the stage `data`: each gives the table that other readers see, or a refusal."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.parts.data import work
from mlspec.sections.data import SPLITS, DataSpec
from tests.data_mutations import Sample, sample
from tests.data_oracle import UnreadableError, differences
from tests.parts.data.project import job

ABOUT_ALL_ROWS = ("the split has no rows", "train has ", "the labels ")
"""What is said of the table as a whole."""


class Campaign:
    """A project whose data file is replaced again and again, and what has been counted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.counts: Counter[str] = Counter()
        (root / "data").mkdir()

    def run(self, seeds: Iterable[int]) -> None:
        """The stage over one damaged file for each seed. Raises AssertionError, with the seed, where one ends badly."""
        for seed in seeds:
            try:
                self.counts[self.one(sample(random.Random(seed)))] += 1
            except Exception as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error

    def one(self, given: Sample) -> str:
        """The stage over one file, and how it ended."""
        file = self._root / "data" / given.name
        file.write_bytes(given.contents)
        data = DataSpec.model_validate_json(json.dumps({"source": f"data/{given.name}", **given.spec}))
        before = self._outputs()
        try:
            work.main(job(self._root, data))
        except StageError as error:
            self._in_good_form(error, given)
            assert self._outputs() == before, f"a failed run changed what an earlier one wrote: {error.message}"
            return "refused"
        finally:
            file.unlink()
        self._as_other_readers(given)
        return "accepted"

    def _outputs(self) -> dict[str, bytes]:
        files = (path for path in (self._root / "artifacts").rglob("*") if path.is_file())
        return {path.name: path.read_bytes() for path in files if path.name != "failed_rows.csv"}

    def _in_good_form(self, error: StageError, given: Sample) -> None:
        names = (f"data/{given.name}", *given.spec["inputs"], given.spec["target"]["column"], *ABOUT_ALL_ROWS)
        assert error.message.strip(), "no message"
        assert error.help.strip(), f"no help: {error.message}"
        assert any(name in error.message for name in names), f"neither file nor column: {error.message}"

    def _as_other_readers(self, given: Sample) -> None:
        created = self._root / "artifacts" / "data"
        tables = {split: pq.read_table(created / f"{split}.parquet").to_pylist() for split in SPLITS}
        origins = pq.read_table(created / "origins.parquet").to_pylist()
        every = [row for split in SPLITS for row in tables[split]]
        ordered = [row for _, row in sorted(zip((o["row"] for o in origins), every, strict=True), key=lambda p: p[0])]
        labels = json.loads((created / "schema.json").read_text())["target"].get("labels", [])
        rows = json.loads((created / "decisions.json").read_text())["decisions"]
        decisions: dict[str, str] = {}
        for row in rows:  # a column may have several
            decisions[row["subject"]] = f"{decisions.get(row['subject'], '')}{row['reading']}; "
        try:
            wrong = list(differences(given, ordered, labels, decisions))
        except UnreadableError as error:
            raise AssertionError(f"accepted, and a strict reader refuses it: {error}") from None
        assert not wrong, wrong[:3]
