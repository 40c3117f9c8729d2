"""The checks of the section `data`, each with a name."""

from __future__ import annotations

from pathlib import Path

from mlspec.parts.data.declared_checks import declared
from mlspec.sections.data import DataSpec
from tests.parts.targets import BASE, build


def test_each_condition_is_a_check_with_a_name_of_its_own(tmp_path: Path) -> None:
    checks = (
        "  checks: {sentence: {not_null: true, unique: false, max_length: 512}, a-b: {max: 0}, a_b: {max: 1e-3}, "
        "label: {in: ['no', 'yes']}, rows: {min: 10, duplicates: false}}\n"
    )
    data = build(tmp_path, "", BASE.replace("data:\n", f"data:\n{checks}")).project.need(DataSpec)
    assert [(each.name, each.text, each.column, each.key) for each in declared(data)] == [
        ("data_sentence_not_null", "sentence is never missing", "sentence", "not_null"),
        ("data_sentence_max_length", "sentence has 512 characters or fewer", "sentence", "max_length"),
        ("data_a_b_max", "a-b <= 0", "a-b", "max"),
        ("data_a_b_max_4", "a_b <= 0.001", "a_b", "max"),
        ("data_label_in", "label is one of no, yes", "label", "in"),
        ("data_rows_min", "10 rows or more", "rows", "min"),
        ("data_rows_duplicates", "no duplicate rows", "rows", "duplicates"),
    ]
