"""The page of the exchanged files: current, complete, and each key with its meaning."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import mlspec.records
from mlspec.records.files_page import RECORDS, page
from mlspec.records.record_file import Record
from tests.conftest import CHECKOUT

DOCUMENT = CHECKOUT / "docs" / "files.md"


def test_the_page_is_that_of_these_records(update: bool) -> None:
    if update:
        DOCUMENT.write_text(page(), encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "python -m mlspec.records.files_page > docs/files.md"


def test_every_record_is_on_it() -> None:
    for module in pkgutil.iter_modules(mlspec.records.__path__):
        importlib.import_module(f"mlspec.records.{module.name}")

    def below(record: type[Record]) -> set[type[Record]]:
        return {r for s in record.__subclasses__() for r in ({s} if hasattr(s, "FILE") else set()) | below(s)}

    shared = {record for record in below(Record) if any(record in other.__bases__ for other in RECORDS)}
    assert below(Record) - set(RECORDS) == shared - set(RECORDS)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_key_has_a_meaning(record: type[Record]) -> None:
    schema = record.model_json_schema()
    parts = {record.__name__: schema, **schema.get("$defs", {})}
    keys = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.get("properties", {}).items()}
    assert [name for name, key in keys.items() if not key.get("description")] == []
