"""Every kind of source gives the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlspec.errors import StageError
from tests.parts.data.project import csv, data_splits, read, rows, table, write

EXPECTED = sorted(
    ({"sentence": s, "label": int(label == "yes")} for s, label in zip(*table().values(), strict=True)), key=repr
)


def parquet(contents: dict[str, Any] | pa.Table) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(contents if isinstance(contents, pa.Table) else pa.table(contents), out)
    return out.getvalue().to_pybytes()


def jsonl(contents: dict[str, list[Any]]) -> str:
    return "".join(
        json.dumps(dict(zip(contents, row, strict=True))) + "\n" for row in zip(*contents.values(), strict=True)
    )


TABLE = table()
WITHOUT_HEADER = {"type": "tsv", "columns": ["sentence", "label"]}
SOURCES: dict[str, tuple[str, str | bytes, dict[str, Any]]] = {
    "csv": ("a.csv", csv(), {}),
    "csv-with-bom": ("a.csv", "\ufeff" + csv(), {}),
    "csv-windows-lines": ("a.csv", csv().replace("\n", "\r\n"), {}),
    "csv-semicolon": ("a.csv", csv(separator=";"), {"delimiter": ";"}),
    "csv-utf-16": ("a.csv", csv().encode("utf-16"), {"encoding": "utf-16"}),
    "csv-columns-renamed": ("a.csv", "x" + csv(), {"columns": ["sentence", "label"], "header": True}),
    "tsv": ("a.tsv", csv(separator="\t"), {}),
    "tsv-no-header": ("a.txt", csv(separator="\t", header=False), WITHOUT_HEADER),
    "parquet": ("a.parquet", parquet(TABLE), {}),
    "parquet-dictionaries": (
        "a.parquet",
        parquet(pa.table({k: pa.array(v).dictionary_encode() for k, v in TABLE.items()})),
        {},
    ),
    "jsonl": ("a.jsonl", jsonl(TABLE), {}),
    "jsonl-with-bom-and-blanks": ("a.ndjson", "\ufeff" + jsonl(TABLE).replace("\n", "\n\n"), {}),
}


@pytest.mark.parametrize(("name", "contents", "format"), SOURCES.values(), ids=SOURCES)
def test_a_file(tmp_path: Path, name: str, contents: str | bytes, format: dict[str, Any]) -> None:
    write(tmp_path, {f"data/{name}": contents})
    assert rows(data_splits(tmp_path, source=f"data/{name}", format=format)) == EXPECTED


def test_a_glob_and_a_folder_read_all_files(tmp_path: Path) -> None:
    lines = csv().splitlines()
    write(tmp_path, {"data/p/1.csv": "\n".join(lines[:9]), "data/p/2.csv": "\n".join([lines[0], *lines[9:]])})
    write(tmp_path, {"data/p/.hidden.csv": "nonsense", "data/p/1.csv.dvc": "outs: []"})
    for source in ("data/p/*.csv", "data/p", "data/**/*.csv"):
        assert rows(data_splits(tmp_path, source=source, format={"type": "csv"})) == EXPECTED


def test_a_project_whose_path_looks_like_a_glob(tmp_path: Path) -> None:
    root = tmp_path / "a[1]" / "x=1"
    write(root, {"data/a.parquet": parquet(TABLE)})
    assert rows(data_splits(root, source="data/a.parquet")) == EXPECTED


def test_quotes_are_text_in_tsv_and_quotes_in_csv(tmp_path: Path) -> None:
    head, *body = csv().splitlines()
    write(tmp_path, {"a.csv": "\n".join([head, '"one, ""two""\nthree",yes', *body])})
    write(tmp_path, {"a.tsv": csv(separator="\t") + '"open\tyes\n'})
    assert 'one, "two"\nthree' in {row["sentence"] for row in rows(data_splits(tmp_path, source="a.csv"))}
    assert '"open' in {row["sentence"] for row in rows(data_splits(tmp_path, source="a.tsv"))}


def test_words_remain_words(tmp_path: Path) -> None:
    """What looks like a number, a date or a missing value is none in a text, and 007 stays 007 in a category."""
    sentences = ["2020-01-01", "007", "NA", "null", "true", "1e5", "None", "nan"] * 2
    body = "".join(f"{s},00{i % 3},{'yes' if i % 2 else 'no'}\n" for i, s in enumerate(sentences))
    write(tmp_path, {"a.csv": "sentence,code,label\n" + body})
    made_of_csv = rows(data_splits(tmp_path, source="a.csv", inputs={"sentence": "text", "code": "category"}))
    assert sorted(row["sentence"] for row in made_of_csv) == sorted(sentences)
    assert {row["code"] for row in made_of_csv} == {"000", "001", "002"}
    dates = {"sentence": ["2020-01-01"] * 16, "label": TABLE["label"]}
    write(tmp_path, {"a.jsonl": jsonl(dates)})
    assert {row["sentence"] for row in rows(data_splits(tmp_path, source="a.jsonl"))} == {"2020-01-01"}


def test_missing_values(tmp_path: Path) -> None:
    body = "".join(f"{['', 'NA', '3'][i % 3]},{['', 'NA', 'Bonn'][i % 3]},{['no', 'yes'][i % 2]}\n" for i in range(18))
    write(tmp_path, {"a.csv": "age,city,label\n" + body})
    inputs = {"age": "number", "city": "category"}
    error = refusal(tmp_path, source="a.csv", inputs=inputs)
    assert "city contains `NA`, which may be a value or mean missing: 6 rows" in error.message
    assert error.code == "ambiguous-nulls"
    format = {"nulls": ["", "NA"]}
    actual = {
        (row["age"], row["city"]) for row in rows(data_splits(tmp_path, source="a.csv", inputs=inputs, format=format))
    }
    assert actual == {(None, None), (3.0, "Bonn")}
    actual = {
        row["city"]
        for row in rows(data_splits(tmp_path, source="a.csv", inputs={"city": "category"}, format={"nulls": []}))
    }
    assert actual == {None, "NA", "Bonn"}
    assert read(tmp_path, "profile.json")["columns"]["city"]["missing"] > 0


@pytest.mark.parametrize(
    ("values", "target"),
    [
        ([0, 1], {"labels": ["no", "yes"], "labels_are": "positions"}),
        (["0", "1"], {"labels": ["no", "yes"], "labels_are": "positions"}),
        ([0.0, 1.0], {"labels": ["no", "yes"], "labels_are": "positions"}),
        ([False, True], {"labels": ["no", "yes"], "labels_are": "positions"}),
        ([1, 0], {"labels": ["1", "0"]}),
        ([1, 0], {"labels": [1, 0]}),
        ([1.0, 0.0], {"labels": ["1.0", "0.0"]}),
        ([1.0, 0.0], {"labels": [1, 0]}),
        (["1.0", "0.0"], {"labels": [1, 0]}),
        ([1, 0], {"labels": [1.0, 0.0]}),
        ([0.5, 1.5], {"labels": [0.5, 1.5]}),
        (["no", "yes"], {"labels": ["no", "yes"]}),
        ([True, False], {"labels": ["true", "false"]}),
        ([True, False], {"labels": ["True", "False"]}),
        ([True, False], {"labels": [True, False]}),
        (["True", "False"], {"labels": [True, False]}),
        ([True, False], {"labels": ["no", "yes"], "values": {"true": "no", "false": "yes"}}),
        ([5, 1], {"labels": ["5", "1"]}),
        (["2020-01-01", "2021-01-01"], {"labels": ["2020-01-01", "2021-01-01"]}),
        ([-1, 1], {"labels": ["no", "yes"], "values": {"-1": "no", "1": "yes"}}),
        ([-1, 1], {"labels": [0, 1], "values": {"-1": 0, "1": 1}}),
        ([3, 7], {}),
        ([2, 10], {}),
        (["0.0", "1.0"], {}),
        ([False, True], {}),
        (["007", "7"], {}),
        (["no", "yes"], {}),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_what_means_a_label(tmp_path: Path, values: list[Any], target: dict[str, Any], ending: str) -> None:
    contents = {"sentence": TABLE["sentence"], "label": [values[i % 2] for i in range(16)]}
    separated = "sentence,label\n" + "".join(f"{s},{v}\n" for s, v in zip(*contents.values(), strict=True))
    written = {"csv": separated, "jsonl": jsonl(contents), "parquet": parquet(contents)}
    write(tmp_path, {f"a.{ending}": written[ending]})
    actual = rows(data_splits(tmp_path, source=f"a.{ending}", target={"column": "label", **target}))
    assert all(row["label"] == int(row["sentence"].split()[1]) % 2 for row in actual)


def refusal(root: Path, **settings: Any) -> StageError:
    with pytest.raises(StageError) as caught:
        data_splits(root, **settings)
    return caught.value


@pytest.mark.parametrize(
    ("values", "labels", "help"),
    [
        ([0, 1], ["no", "yes"], "(0 is no, 1 is yes): `data: {target: {labels_are: positions}}`"),
        ([False, True], ["no", "yes"], "labels_are: positions"),
        (["no ", " yes"], ["no", "yes"], "`data: {format: {trim: true}}`"),
        (["No", "YES"], ["no", "yes"], '{values: {"no": "no", "yes": "yes", "No": "no", "YES": "yes"}}'),
        ([1, 0], [True, False], "labels_are: positions"),
        ([2, 3], ["no", "yes"], "fix the data"),
        ([True, False], ["1", "0"], "labels_are: positions"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_values_that_are_no_labels(
    tmp_path: Path, values: list[Any], labels: list[Any], help: str, ending: str
) -> None:
    contents = {"sentence": TABLE["sentence"], "label": [values[i % 2] for i in range(16)]}
    separated = "sentence,label\n" + "".join(f"{s},{v}\n" for s, v in zip(*contents.values(), strict=True))
    write(tmp_path, {f"a.{ending}": {"csv": separated, "jsonl": jsonl(contents), "parquet": parquet(contents)}[ending]})
    error = refusal(tmp_path, source=f"a.{ending}", target={"column": "label", "labels": labels})
    assert "label is not one of" in error.message
    assert f"a.{ending} " in error.message
    assert help in error.help


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (["1", "1.0"], "ambiguous-labels"),
        (["yes", "Yes"], "ambiguous-labels"),
        (["no", " yes"], "padded-values"),
        ([f"{i / 7}" for i in range(16)], "classes-or-number"),
        ([f"{i}" for i in range(21)], "classes-or-number"),
    ],
)
def test_labels_that_are_left_out_and_not_clear(tmp_path: Path, values: list[str], code: str) -> None:
    body = "".join(f"s{i},{values[i % len(values)]}\n" for i in range(42))
    write(tmp_path, {"a.csv": "sentence,label\n" + body})
    assert refusal(tmp_path, source="a.csv", target={"column": "label"}).code == code


def test_a_number_that_two_labels_claim(tmp_path: Path) -> None:
    write(tmp_path, {"a.parquet": parquet({"sentence": ["a", "b"] * 8, "label": [1.0, 2.0] * 8})})
    target = {"column": "label", "labels": ["1", "1.0", "2"]}
    error = refusal(tmp_path, source="a.parquet", target=target)
    assert "label can be read as `1` or as `1.0`: 8 rows" in error.message
    assert error.code == "ambiguous-labels"
    write(tmp_path, {"a.csv": "sentence,label\n" + "a,1\nb,1.0\nc,2\n" * 6})
    assert {row["label"] for row in rows(data_splits(tmp_path, source="a.csv", target=target))} == {0, 1, 2}


def test_labels_that_are_numbers_are_never_positions(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "sentence,label\n" + "a,1\nb,2\n" * 8 + "c,0\n"})
    with pytest.raises(StageError, match="is not one of: 2, 1: 1 row"):
        data_splits(tmp_path, source="a.csv", target={"column": "label", "labels": ["2", "1"]})


@pytest.mark.parametrize(
    "body",
    [
        "import pyarrow as pa\ndef load(): return pa.table(ROWS)",
        "import pandas as pd\ndef load(): return pd.DataFrame(ROWS)",
        "def load(): return ROWS",
        "def load(): return [dict(zip(ROWS, row)) for row in zip(*ROWS.values())]",
        "def load(): yield from (dict(zip(ROWS, row)) for row in zip(*ROWS.values()))",
        "from pathlib import Path\nclass load:\n  def __new__(cls): return ROWS",
    ],
    ids=["arrow", "pandas", "lists", "dicts", "generator", "class"],
)
def test_a_callable(tmp_path: Path, body: str, request: pytest.FixtureRequest) -> None:
    if "pandas" in body:
        pytest.importorskip("pandas")
    module = f"rows_{request.node.callspec.id}"
    write(tmp_path, {f"{module}.py": f"ROWS = {TABLE!r}\n{body}\n"})
    assert rows(data_splits(tmp_path, source=f"{module}:load")) == EXPECTED


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "def load():\n    x = 1\n    return 1 / 0",
            r"raised ZeroDivisionError(.|\n)*rows_bad0.py:3 in load: return 1 / 0",
        ),
        ("def load(): return None", "did not return a table"),
        ("def load(): return [1, 2]", "did not return a table"),
        ("def load(): return {'sentence': ['a'], 'label': []}", "did not return a table"),
        ("def load(): return {'sentence': [], 'label': []}", "has no rows"),
        ("def load(): return {'text': ['a']}", "rows_bad5:load has no column `sentence`"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("def other(): pass", "has no attribute 'load'"),
    ],
)
def test_a_callable_that_fails(tmp_path: Path, body: str, message: str, request: pytest.FixtureRequest) -> None:
    module = f"rows_bad{_index(request)}"
    write(tmp_path, {f"{module}.py": body})
    with pytest.raises(StageError, match=message):
        data_splits(tmp_path, source=f"{module}:load")


def _index(request: pytest.FixtureRequest) -> int:
    return int(request.node.callspec.indices["body"])


def test_files_of_their_own(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": csv(), "v.csv": "sentence,label\nv,yes\n", "t.csv": "label,sentence\nno,t\n"})
    tables = data_splits(tmp_path, source="a.csv", split={"valid": "v.csv", "test": "t.csv"})
    assert {name: t.num_rows for name, t in tables.items()} == {"train": 16, "valid": 1, "test": 1}
    assert tables["test"].to_pylist() == [{"label": 0, "sentence": "t"}]
    tables = data_splits(tmp_path, source="a.csv", split={"valid": "v.csv", "test": 0.25})
    assert {name: t.num_rows for name, t in tables.items()} == {"train": 12, "valid": 1, "test": 4}


def test_a_column_names_the_split(tmp_path: Path) -> None:
    names = ["train", "training", "dev", "valid", "val", "test"]
    write(
        tmp_path,
        {
            "a.csv": "sentence,label,part\n"
            + "".join(f"s{i},{'yes' if i % 2 else 'no'},{n}\n" for i, n in enumerate(names))
        },
    )
    tables = data_splits(tmp_path, source="a.csv", split={"column": "part"})
    assert {n: [r["sentence"] for r in t.to_pylist()] for n, t in tables.items()} == {
        "train": ["s0", "s1"], "valid": ["s2", "s3", "s4"], "test": ["s5"],
    }  # fmt: skip


def test_a_bad_number_in_one_of_two_files_is_reported_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, {"p/1.csv": "age,label\n1,no\n2,yes\n", "p/2.csv": "age,label\n1,no\nold,yes\n"})
    with pytest.raises(StageError, match=r"age is not a number: 1 row\n.*p/2.csv line 3: 'old'"):
        data_splits(tmp_path, source="p/*.csv", inputs={"age": "number"})


def test_numbers(tmp_path: Path) -> None:
    values = ["1", "2.5", "-3e2", "", "NA"] * 4
    write(tmp_path, {"a.csv": "x,y\n" + "".join(f"{v},{i}\n" for i, v in enumerate(values))})
    tables = data_splits(tmp_path, source="a.csv", inputs={"x": "number"}, target={"column": "y", "type": "number"})
    assert {t.schema.field("x").type for t in tables.values()} == {pa.float64()}
    assert {row["x"] for row in rows(tables)} == {1.0, 2.5, -300.0, None}
    assert read(tmp_path, "schema.json")["target"] == {"column": "y", "type": "number"}
    described = read(tmp_path, "profile.json")["columns"]["y"]
    y = np.array([row["y"] for row in tables["train"].to_pylist()])
    assert described["mean"] == pytest.approx(y.mean())
    assert sum(described["histogram"]["counts"]) == len(y)
    assert described["quantiles"]["0.5"] == pytest.approx(np.median(y))


COMMAS = 'sentence;label;age\na;no;1,5\nb;yes;-2\nc;no;"3,25"\nd;yes;\ne;no;1e1\nf;yes;7,0\n'


def test_numbers_with_a_decimal_comma(tmp_path: Path) -> None:
    inputs = {"sentence": "text", "age": "number"}
    write(tmp_path, {"data/rows.csv": COMMAS})
    result = data_splits(tmp_path, inputs=inputs, format={"delimiter": ";", "decimal": ","})
    ages = [row["age"] for row in rows(result)]
    assert sorted(ages, key=str) == sorted([1.5, -2.0, 3.25, None, 10.0, 7.0], key=str)
    with pytest.raises(StageError, match="age is not a number: 3 rows") as caught:
        data_splits(tmp_path, inputs=inputs, format={"delimiter": ";"})
    assert caught.value.help.startswith('set `data: {format: {decimal: ","}}`\n')
    write(tmp_path, {"data/rows.csv": COMMAS.replace("-2", "1.234,5")})
    with pytest.raises(StageError, match="age is not a number: 1 row"):
        data_splits(tmp_path, inputs=inputs, format={"delimiter": ";", "decimal": ","})


def test_a_header_with_another_separator_is_recognized(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": COMMAS})
    with pytest.raises(StageError, match="has no column `sentence`") as caught:
        data_splits(tmp_path)
    assert caught.value.help == 'the delimiter is ";": `data: {format: {delimiter: ";"}}`'


def test_one_edit_makes_the_words_of_all_columns_missing(tmp_path: Path) -> None:
    """An edit keeps the words that the spec lists, and finds the separators beside them: one round, not one a column."""
    price, age = ["45,60", "-", "n/a", "7,5"] * 4, ["3", "unknown", "4", "k.A."] * 4
    body = "".join(f"{p};{a};{['no', 'yes'][i % 2]}\n" for i, (p, a) in enumerate(zip(price, age, strict=True)))
    write(tmp_path, {"a.csv": "price;age;label\n" + body})
    inputs, format = {"price": "number", "age": "number"}, {"delimiter": ";", "nulls": ["", "k.A."]}
    error = refusal(tmp_path, source="a.csv", inputs=inputs, format=format)
    assert 'set `data: {format: {decimal: ","}}`' in error.help
    assert 'missing value: `data: {format: {nulls: ["", "k.A.", "-", "n/a", "unknown"]}}`' in error.help
    format |= {"decimal": ",", "nulls": ["", "k.A.", "-", "n/a", "unknown"]}
    actual = {
        (row["price"], row["age"]) for row in rows(data_splits(tmp_path, source="a.csv", inputs=inputs, format=format))
    }
    assert actual == {(45.6, 3.0), (None, None), (None, 4.0), (7.5, None)}


def test_a_category_may_keep_a_word_that_numbers_use_for_missing_values(tmp_path: Path) -> None:
    body = "".join(f"{['3', '?'][i % 2]},{['Bonn', 'NA'][i % 2]},{['no', 'yes'][i % 2]}\n" for i in range(16))
    write(tmp_path, {"a.csv": "age,city,label\n" + body})
    error = refusal(tmp_path, source="a.csv", inputs={"age": "number", "city": "category"})
    assert 'if it means missing: `data: {format: {nulls: ["", "?", "NA"]}}`' in error.help
    assert 'if it is a value: `data: {format: {nulls: ["", "?"]}}`' in error.help


@pytest.mark.parametrize("kind", ["class", "number"])
def test_rows_without_a_target_are_refused_with_what_can_be_done(tmp_path: Path, kind: str) -> None:
    body = "".join(f"{i % 5},{i % 2 if i % 6 else ''}\n" for i in range(24))
    write(tmp_path, {"a.csv": "size,label\n" + body})
    target = {"column": "label", "type": kind}
    error = refusal(tmp_path, source="a.csv", inputs={"size": "number"}, target=target)
    assert "label is missing: 4 rows" in error.message
    assert "to leave out the rows without a target: `data: {target: {missing: drop}}`" in error.help
    tables = data_splits(tmp_path, source="a.csv", inputs={"size": "number"}, target={**target, "missing": "drop"})
    assert len(rows(tables)) == 20
    decision = next(each for each in read(tmp_path, "decisions.json")["decisions"] if each["subject"] == "rows")
    assert decision["reading"] == "20 of 24 rows of a.csv used, 4 without `label` dropped"
    assert decision["key"] == "data.target.missing"


def test_rows_keep_their_places_when_others_are_dropped(tmp_path: Path) -> None:
    """An error names the line of its file, not that of the rows that are left."""
    write(tmp_path, {"data/a-1.csv": "size,label\n1,\n2,1\n3,0\n", "data/a-2.csv": "size,label\n4,0\n5,\nbig,1\n7,0\n"})
    target = {"column": "label", "labels": [0, 1], "missing": "drop"}
    error = refusal(tmp_path, source="data/a-*.csv", inputs={"size": "number"}, target=target)
    assert "size is not a number: 1 row\n      data/a-2.csv line 4: 'big'" in error.message


def test_a_word_is_dropped_only_if_the_spec_says_that_it_means_missing(tmp_path: Path) -> None:
    body = "".join(f"{i % 5},{['no', 'yes', 'n/a'][i % 3]}\n" for i in range(30))
    write(tmp_path, {"a.csv": "size,label\n" + body})
    settings: dict[str, Any] = {"source": "a.csv", "inputs": {"size": "number"}}
    target = {"column": "label", "missing": "drop"}
    error = refusal(tmp_path, **settings, target=target)
    assert 'to leave out these rows: `data: {format: {nulls: ["", "n/a"]}}`' in error.help
    assert len(rows(data_splits(tmp_path, **settings, target=target, format={"nulls": ["", "n/a"]}))) == 20
    assert len(rows(data_splits(tmp_path, **settings, target={**target, "labels": ["n/a", "no", "yes"]}))) == 30


def test_no_row_has_a_target(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "size,label\n1,\n2,\n"})
    error = refusal(tmp_path, source="a.csv", inputs={"size": "number"}, target={"column": "label", "missing": "drop"})
    assert "`label` is missing in every row" in error.message
