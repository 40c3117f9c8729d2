"""One moment in two spellings or formats is one category, one label and one profile, or is refused with its place."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlspec.runtime.preprocess.moments import moment, spelled, spellings
from mlspec.runtime.preprocess.tabular import TabularPreprocess
from tests.scenarios.test_representations import FORMATS, ROWS, Result, lines, parquet, run, separated

Moment = datetime.datetime
Write = Callable[[Moment], str]
BERLIN = datetime.timezone(datetime.timedelta(hours=1))
NOON = [Moment(2020, 1, 1 + row % 3, 12, 30) for row in range(ROWS)]
MIDNIGHT = [Moment(2020, 1, 1 + row % 3) for row in range(ROWS)]
NOON_UTC = [time.replace(tzinfo=datetime.UTC) for time in NOON]
SPEC: dict[str, Any] = {"inputs": {"x": "category"}, "target": {"column": "y"}, "split": {"valid": 0.25, "test": 0.25}}

SPELLED: dict[str, tuple[list[Moment], Write]] = {
    "t": (NOON, lambda t: t.isoformat()),
    "space": (NOON, lambda t: t.isoformat(sep=" ")),
    "no-seconds": (NOON, lambda t: f"{t:%Y-%m-%d %H:%M}"),
    "t-no-seconds": (NOON, lambda t: f"{t:%Y-%m-%dT%H:%M}"),
    "milliseconds": (NOON, lambda t: t.isoformat(timespec="milliseconds")),
    "nanoseconds": (NOON, lambda t: f"{t:%Y-%m-%d %H:%M:%S}.000000000"),
    "z": (NOON_UTC, lambda t: f"{t:%Y-%m-%dT%H:%M:%S}Z"),
    "z-no-seconds": (NOON_UTC, lambda t: f"{t:%Y-%m-%dT%H:%M}Z"),
    "utc": (NOON_UTC, lambda t: f"{t:%Y-%m-%d %H:%M:%S} UTC"),
    "zone": (NOON_UTC, lambda t: t.isoformat(sep=" ")),
    "another-zone": (NOON_UTC, lambda t: t.astimezone(BERLIN).isoformat()),
    "zone-without-colon": (NOON_UTC, lambda t: f"{t:%Y-%m-%dT%H:%M:%S}+0000"),
    "date": (MIDNIGHT, lambda t: f"{t:%Y-%m-%d}"),
    "midnight": (MIDNIGHT, lambda t: t.isoformat(sep=" ")),
    "midnight-t": (MIDNIGHT, lambda t: t.isoformat()),
}
TEXTUAL: dict[str, tuple[str, Callable[[dict[str, list[Any]]], bytes]]] = {
    "csv": ("a.csv", lambda table: separated(table, ",")),
    "tsv": ("a.tsv", lambda table: separated(table, "\t")),
    "jsonl": ("a.jsonl", lines),
    "parquet": ("a.parquet", parquet),
}


def data_result(name: str, contents: bytes, **settings: Any) -> Result:
    return run(name, contents, {**SPEC, **settings})


@pytest.mark.parametrize("format", TEXTUAL)
@pytest.mark.parametrize("spelling", SPELLED)
@pytest.mark.parametrize("column", ["x", "y"])
def test_a_spelling_of_a_moment_is_the_moment(column: str, spelling: str, format: str) -> None:
    """The oracle is a column of timestamps of parquet."""
    times, write = SPELLED[spelling]
    other = {"x": "y", "y": "x"}[column]
    table: dict[str, list[Any]] = {other: ["no" if row % 2 else "yes" for row in range(ROWS)]}
    name, serialise = TEXTUAL[format]
    result = data_result(name, serialise({**table, column: [write(time) for time in times]}))
    expected = data_result("a.parquet", parquet({**table, column: times}))
    assert result == expected
    assert expected.refusal is None
    dates = times is MIDNIGHT
    names = expected.schema["inputs"]["x"]["values"] if column == "x" else expected.schema["target"]["labels"]
    assert names == [spelled(time, dates) for time in sorted(set(times))]


@pytest.mark.parametrize("column", ["x", "y"])
def test_some_moments_in_a_time_zone(column: str) -> None:
    """2020-01-01 12:30 may be of any place; where others of the column name one, it is asked for."""
    times = [("2020-01-01T12:30:00Z", "2020-01-02 12:30:00")[row % 2] for row in range(ROWS)]
    other = {"x": "y", "y": "x"}[column]
    refusal = data_result("a.csv", separated({other: ["no", "yes"] * 12, column: times}, ",")).refusal
    assert refusal is not None
    assert refusal.code == "mixed-time-zones"
    assert "2020-01-02 12:30:00" in refusal.message
    followed = [time.removesuffix("Z") for time in times]
    assert data_result("a.csv", separated({other: ["no", "yes"] * 12, column: followed}, ",")).refusal is None


@pytest.mark.parametrize(
    ("word", "value"),
    [("2020-01-01T12:30", NOON[0]), ("True", True), ("1.0", 1.0), ("2020-01-01 00:00:00", MIDNIGHT[0])],
)
def test_a_missing_value_does_not_change_the_spelling_of_the_others(word: str, value: Any) -> None:
    """A csv file with NA for a missing value, and parquet with null."""
    labels = ["no", "yes", "yes"] * 8
    result = data_result(
        "a.csv", separated({"x": [word, word, "NA"] * 8, "y": labels}, ","), format={"nulls": ["", "NA"]}
    )
    assert result.refusal is None, result.refusal
    assert result == data_result("a.parquet", parquet({"x": [value, value, None] * 8, "y": labels}))


@pytest.mark.parametrize("times", [NOON, MIDNIGHT, NOON_UTC])
def test_a_text_is_written_as_the_moment(times: list[Moment]) -> None:
    table = {"x": times, "y": ["no", "yes"] * 12}
    result = data_result("a.parquet", parquet(table), inputs={"x": "text"})
    words = {row["x"] for split in result.splits.values() for row in split}
    assert words == {spelled(time, as_date=times is MIDNIGHT) for time in times}


def test_dates_among_timestamps_are_midnight() -> None:
    words = [("2020-01-01", "2020-01-01 00:00:00", "2020-01-02T12:00")[row % 3] for row in range(ROWS)]
    result = data_result("a.csv", separated({"x": words, "y": ["no", "yes"] * 12}, ","))
    assert result.schema["inputs"]["x"]["values"] == ["2020-01-01 00:00:00", "2020-01-02 12:00:00"]


@pytest.mark.parametrize("declared", ["2020-01-01T12:30:00Z", "2020-01-01 12:30:00+00:00", "2020-01-01 13:30+01:00"])
@pytest.mark.parametrize("format", ["csv", "parquet-dictionaries", "json-lines"])
def test_a_declared_label_means_its_moment(declared: str, format: str) -> None:
    times = [NOON_UTC[0] if row % 2 else NOON_UTC[1] for row in range(ROWS)]
    name, write, how = FORMATS[format]
    target = {"column": "y", "labels": [declared, spelled(NOON_UTC[1])]}
    result = data_result(name, write({"x": ["a", "b"] * 12, "y": times}), target=target, format=how)
    assert result.refusal is None, result.refusal
    assert all(row["y"] == (row["x"] == "a") for split in result.splits.values() for row in split)


def test_two_spellings_of_a_label_are_asked_for() -> None:
    times = [("2020-01-01T12:30", "2020-01-01 12:30:00", "2020-01-02")[row % 3] for row in range(ROWS)]
    refusal = data_result("a.csv", separated({"x": ["a", "b"] * 12, "y": times}, ",")).refusal
    assert refusal is not None
    assert refusal.code == "ambiguous-labels"
    assert "are the same time" in refusal.message


@pytest.mark.parametrize(
    "word", ["", "2020", "2020-1-1", "2020-01-32", "2020-01-01 25:00", "2020-01-01T", "2020-01-01 12:00:00.1234567",
             "12:00", "2020-01-01 12:000", "0001-01-01T00:00:00+14:00", "٢٠٢٠-01-01"]
)  # fmt: skip
def test_a_text_that_is_not_a_date_stays_a_text(word: str) -> None:
    assert moment(word) is None
    assert spellings(word) == ()


@pytest.mark.parametrize(
    ("values", "word", "position"),
    [
        (["2020-01-01 12:00:00"], "2020-01-01T12:00", 1),
        (["2020-01-01 12:00:00+00:00"], "2020-01-01T13:00:00+01:00", 1),
        (["2020-01-01"], "2020-01-01T00:00:00", 1),
        (["2020-01-01"], "2020-01-01T00:00:00Z", 0),
        (["2020-01-01 12:00:00"], "2020-01-01T12:00:00Z", 0),
        (["2020-01-01T12:00", "other"], "2020-01-01T12:00", 1),
        (["2020-01-01"], "2020-01-02", 0),
    ],
)
def test_serving_accepts_the_spellings_too(values: list[str], word: str, position: int) -> None:
    served = TabularPreprocess({"numbers": {}, "categories": {"x": values}}, Path())
    assert served.features([{"x": word}])[0]["categories"].tolist() == [position]
