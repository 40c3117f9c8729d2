"""Rows changed in one way."""

from __future__ import annotations

from mlspec.testing.changed_rows import ChangedRows

SCHEMA = {
    "inputs": {"size": {"type": "number"}, "town": {"type": "category", "values": ["Bonn", "Ulm"]}},
    "target": {"column": "price", "type": "number"},
}
PROFILE = {
    "rows": 5,
    "splits": {"train": 3, "valid": 1, "test": 1},
    "columns": {
        "size": {"type": "number", "count": 3, "missing": 1, "mean": 5.0, "std": 2.0},
        "town": {"type": "category", "count": 4, "missing": 0},
        "price": {"type": "number", "count": 4, "missing": 0},
    },
}
ROWS = [{"size": 1.0, "town": "Bonn"}, {"size": None, "town": "Ulm"}, {"size": 3.0, "town": "Bonn"}]


def test_a_number_grows_by_standard_deviations_where_it_is_present() -> None:
    larger = ChangedRows(SCHEMA, PROFILE).larger("size", ROWS, 1.5)
    assert [row["size"] for row in larger] == [4.0, None, 6.0]


def test_each_row_gets_another_value() -> None:
    exchanged = ChangedRows(SCHEMA, PROFILE).exchanged("town", ROWS)
    assert [row["town"] for row in exchanged] == ["Ulm", "Bonn", "Ulm"]


def test_unusual_values_are_missing_ones_only_where_the_data_has_them() -> None:
    variants = ChangedRows(SCHEMA, PROFILE).unusual(ROWS[0])
    assert list(variants) == ["size: missing", "size: very small", "size: very large", "town: unseen in training"]
    assert variants["size: very large"] == {"size": 205.0, "town": "Bonn"}


def test_a_perturbation_depends_on_the_number_of_the_row_alone() -> None:
    changes = ChangedRows(SCHEMA, PROFILE)
    assert changes.perturbed("noise", ROWS) == changes.perturbed("noise", ROWS)
    assert changes.perturbed("noise", ROWS)[1] == ROWS[1]
    assert changes.perturbed("noise", ROWS)[0]["size"] != 1.0
