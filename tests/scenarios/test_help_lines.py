"""Whoever follows a help line of the stage `data` word for word ends with the right table."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlspec.compiler import compile_project
from mlspec.errors import SpecError, StageError
from mlspec.source.reader import parse
from tests.parts.data.project import data_splits, rows, write

EDIT = re.compile(r"`(data: \{.*?\})`")
SPLIT = {"valid": 0.25, "test": 0.25}
CATEGORY: dict[str, Any] = {"inputs": {"x": "category"}, "target": {"column": "y", "labels": ["no", "yes"]}}
NUMBER: dict[str, Any] = {**CATEGORY, "inputs": {"x": "number"}}
TEXT: dict[str, Any] = {**CATEGORY, "inputs": {"x": "text"}}


class Case(NamedTuple):
    """A file that is refused, and for each edit that the help offers the values of `x` or `y` that it should lead to."""

    name: str
    contents: str | bytes
    spec: dict[str, Any]
    column: str
    readings: list[set[Any]]


def body(first: str, second: str, header: str = "x,y", labels: tuple[str, str] = ("no", "yes"), sign: str = ",") -> str:
    lines = [f"{first}{sign}{labels[0]}", f"{second}{sign}{labels[1]}"] * 8
    return "\n".join([header, *lines]) + "\n"


def parquet(columns: dict[str, list[Any]]) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out)
    return out.getvalue().to_pybytes()


def target(**settings: Any) -> dict[str, Any]:
    return {"inputs": {"x": "number"}, "target": {"column": "y", **settings}}


CASES: dict[str, Case] = {
    "thousands-or-decimals": Case("a.csv", body('"12,500"', '"13,501"'), NUMBER, "x", [{12500, 13501}, {12.5, 13.501}]),
    "thousands": Case("a.csv", body('"1,234,567"', '"13,501.5"'), NUMBER, "x", [{1234567, 13501.5}]),
    "decimal-comma": Case("a.csv", body('"12,5"', '"13"'), NUMBER, "x", [{12.5, 13}]),
    "decimal-comma-and-points": Case("a.csv", body('"1.234,5"', '"-7,25"'), NUMBER, "x", [{1234.5, -7.25}]),
    "zero-before-a-comma": Case("a.csv", body('"0,125"', '"12,250"'), NUMBER, "x", [{0.125, 12.25}]),
    "none-among-numbers": Case("a.csv", body("None", "7"), NUMBER, "x", [{None, 7}]),
    "words-among-numbers": Case("a.csv", body("-", "7") + "NA,no\nN/A,yes\n", NUMBER, "x", [{None, 7}]),
    "words-among-numbers-of-json": Case("a.jsonl", "".join(json.dumps({"x": x, "y": y}) + "\n" for x, y in
                                        [("n/a", "no"), ("7", "yes")] * 8), NUMBER, "x", [{None, 7}]),
    "none-or-value": Case("a.csv", body("None", "Bonn"), CATEGORY, "x", [{None, "Bonn"}, {"None", "Bonn"}]),
    "not-available-or-label": Case("a.csv", body("1", "2", labels=("N/A", "EU")), target(), "y", [{0, 1}]),
    "characters-that-are-not-seen": Case("a.csv", "x,y\n" + "1,no\n2,yes\n3,\u200bno\n" * 8, target(), "y",
                                         [{0, 1}, {0, 1, 2}]),
    "two-encodings-of-a-letter": Case("a.csv", "x,y\n" + "1,n\u00e9\n2,yes\n3,ne\u0301\n" * 8, target(), "y",
                                      [{0, 1}, {0, 1, 2}]),
    "declared-and-not-seen": Case("a.csv", body("1", "2", labels=("\ufeffno", "yes")), NUMBER, "y", [{0, 1}]),
    "spaces": Case("a.csv", body("1 234", "12 345.5"), NUMBER, "x", [{1234, 12345.5}]),
    "narrow-spaces": Case("a.csv", body('"1\u202f234,5"', '"12\u202f345"'), NUMBER, "x", [{1234.5, 12345}]),
    "apostrophes": Case("a.csv", body("1'234", "12'345.5"), NUMBER, "x", [{1234, 12345.5}]),
    "underscores": Case("a.jsonl", "".join(json.dumps({"x": x, "y": y}) + "\n" for x, y in
                                           [("1_000", "no"), ("2_500", "yes")] * 8), NUMBER, "x", [{1000, 2500}]),
    "a-point-of-either-kind": Case("a.csv", body("12.500", "13.250", "x;y", sign=";"),
                                   {**NUMBER, "format": {"delimiter": ";"}}, "x", [{12500, 13250}, {12.5, 13.25}]),
    "separator": Case("a.csv", body("Bonn", "Ulm", "x;y", sign=";"), CATEGORY, "x", [{"Bonn", "Ulm"}]),
    "tabs": Case("a.csv", body("Bonn", "Ulm", "x\ty", sign="\t"), CATEGORY, "x", [{"Bonn", "Ulm"}]),
    "header-with-separators-behind-it": Case("a.csv", body("Bonn", "Ulm", "x,y,,"), CATEGORY, "x", [{"Bonn", "Ulm"}]),
    "padded-header-with-separators-behind-it": Case(
        "a.csv", body("Bonn", "Ulm", "x; y; ;", sign=";"),
        {**CATEGORY, "format": {"delimiter": ";", "trim": True}}, "x", [{"Bonn", "Ulm"}]),
    "tsv-header-with-separators-behind-it": Case("a.tsv", body("Bonn", "Ulm", "x\ty\t", sign="\t"), CATEGORY, "x",
                                                 [{"Bonn", "Ulm"}]),
    "column-without-a-name-between": Case("a.csv", body("1,,Bonn", "2,,Ulm", 'row,,x,"y",,,'),
                                          CATEGORY, "x", [{"Bonn", "Ulm"}]),
    "fewer-separators-in-the-rows": Case("a.csv", body("Bonn", "Ulm", "x,y,,,", ("no,,", "yes,,")), CATEGORY, "x",
                                         [{"Bonn", "Ulm"}]),
    "rows-with-separators-behind-them": Case("a.csv", body("Bonn", "Ulm", labels=("no,,", 'yes,"",')), CATEGORY, "x",
                                             [{"Bonn", "Ulm"}]),
    "padded-header": Case("a.csv", body("Bonn", "Ulm", "x, y", sign=", "), CATEGORY, "x", [{"Bonn", "Ulm"}]),
    "padded-quotes": Case("a.csv", body('"K, x"', '"Ulm"', " x , y", sign=", "), CATEGORY, "x", [{"K, x", "Ulm"}]),
    "padded-category": Case("a.csv", body(" Bonn", "Bonn"), CATEGORY, "x", [{"Bonn"}, {" Bonn", "Bonn"}]),
    "padded-label": Case("a.jsonl", "".join(json.dumps({"x": 1, "y": y}) + "\n" for y in [" no", " yes"] * 8),
                         NUMBER, "y", [{0, 1}]),
    "padded-labels-left-out": Case("a.csv", body("1", "2", labels=(" no", "yes")), target(), "y", [{0, 1}, {0, 1}]),
    "null-or-value": Case("a.csv", body("NA", "Bonn"), CATEGORY, "x", [{None, "Bonn"}, {"NA", "Bonn"}]),
    "null-or-label": Case("a.csv", body("1", "2", labels=("NA", "EU")), target(), "y", [{0, 1}]),
    "positions": Case("a.parquet", parquet({"x": [1.0, 2.0] * 8, "y": [0, 1] * 8}), NUMBER, "y", [{0, 1}]),
    "positions-of-booleans": Case("a.parquet", parquet({"x": [1.0, 2.0] * 8, "y": [False, True] * 8}), NUMBER, "y",
                                  [{0, 1}]),
    "other-case": Case("a.csv", body("1", "2", labels=("NO", "Yes")), NUMBER, "y", [{0, 1}]),
    "two-spellings": Case("a.csv", "x,y\n" + "1,no\n2,yes\n3,Yes\n" * 8, target(), "y", [{0, 1}, {0, 1, 2}]),
    "two-spellings-of-a-number": Case("a.csv", "x,y\n" + "1,0\n2,1\n3,1.0\n" * 8, target(), "y", [{0, 1}, {0, 1, 2}]),
    "classes-or-number": Case("a.csv", body("1", "2", labels=("0.5", "1.5")), target(), "y", [{0.5, 1.5}]),
    "cp1252": Case("a.csv", body("Köln", "10 €").encode("cp1252"), CATEGORY, "x", [{"Köln", "10 €"}]),
    "latin-1": Case("a.csv", body("Köln", "Åre").encode("latin-1"), CATEGORY, "x", [{"Köln", "Åre"}]),
    "shift-jis": Case("a.csv", body("東京都は日本の首都です", "大阪府は関西の中心です").encode("shift-jis"), TEXT, "x",
                      [{"東京都は日本の首都です", "大阪府は関西の中心です"}]),
    "cyrillic": Case("a.csv", body("Привет, мир".replace(",", ""), "До свидания").encode("koi8-r"), TEXT, "x",
                     [{"Привет мир", "До свидания"}]),
    "utf-16": Case("a.csv", body("Köln", "Ulm").encode("utf-16"), CATEGORY, "x", [{"Köln", "Ulm"}]),
    "utf-16-without-a-mark": Case("a.csv", body("Köln", "Ulm").encode("utf-16-le"), CATEGORY, "x", [{"Köln", "Ulm"}]),
    "utf-32": Case("a.jsonl", ('{"x": "ä", "y": "no"}\n{"x": "b", "y": "yes"}\n' * 8).encode("utf-32") , TEXT, "x", [{"ä", "b"}]),
    "escaped-quotes": Case("a.csv", body(r'"she said \"hi\""', '"b"'), TEXT, "x",
                           [{'she said "hi"', "b"}, {'she said \\hi\\""', "b"}]),
    "open-quotes": Case("a.csv", body('"one', "two"), TEXT, "x", [{'"one', "two"}]),
    "text-behind-quotes": Case("a.csv", body('"so" he said', "b"), TEXT, "x", [{'"so" he said', "b"}]),
    "quotes-in-tsv": Case("a.tsv", body('"one"', '"two"', "x\ty", sign="\t"), TEXT, "x",
                          [{"one", "two"}, {'"one"', '"two"'}]),
}  # fmt: skip


def merged(spec: dict[str, Any], edit: dict[str, Any]) -> dict[str, Any]:
    nested = {
        k: merged(spec.get(k, {}), v) if isinstance(v, dict) and k in ("format", "target") else v
        for k, v in edit.items()
    }
    return {**spec, **nested}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_edit_that_a_help_line_offers_leads_to_the_table_that_it_promises(tmp_path: Path, case: Case) -> None:
    write(tmp_path, {f"data/{case.name}": case.contents})
    spec = {"source": f"data/{case.name}", "split": SPLIT, **case.spec}
    with pytest.raises(StageError) as caught:
        data_splits(tmp_path, **spec)
    edits = EDIT.findall(caught.value.help)
    assert len(edits) == len(case.readings), caught.value.help
    for text, expected in zip(edits, case.readings, strict=True):
        edit: Any = parse(text.encode()).plain()
        actual = rows(data_splits(tmp_path, **merged(spec, edit["data"])))
        assert {row[case.column] for row in actual} == expected, text


@pytest.mark.parametrize(
    ("scheme", "address", "option"),
    [
        ("https", "https://ada:hunter22@example.org/dvc", "password"),
        ("https", "https://example.org/dvc?token=hunter22", "password"),
        ("s3", "s3://bucket/dvc?secret=hunter22", "secret_access_key"),
        ("azure", "azure://box/dvc?sig=hunter22", "sas_token"),
    ],
)
def test_the_help_for_a_secret_in_a_remote_keeps_it_out_of_git(
    scheme: str, address: str, option: str, tmp_path: Path
) -> None:
    config = pytest.importorskip("dvc.config")
    spec = tmp_path / "mlproject.yaml"

    def build(remote: str) -> None:
        text = "project: {name: cola}\ndata: {source: a.csv, inputs: {a: number}, target: {column: y}, remote: '%s'}\n"
        spec.write_text(text % remote + "model: {type: tabular}\n")
        for file in compile_project(spec).files:
            (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file.path).write_text(file.text)

    with pytest.raises(SpecError) as refused:
        build(address)
    (finding,) = refused.value.diagnostics
    assert finding.code == "literal-secret"
    assert "{env:" not in finding.help
    build(re.sub(r"[^/]*@|[?].*", "", address))
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    command = re.search(r"dvc remote modify .* VALUE", finding.help)
    assert command
    words = [sys.executable, "-m", *command[0].replace("VALUE", "hunter22").split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read = config.Config(str(tmp_path / ".dvc"))["remote"]["mlspec"]
    assert read["url"].startswith(f"{scheme}://")
    assert read[option] == "hunter22"
    assert subprocess.run(["git", "check-ignore", "-q", ".dvc/config.local"], cwd=tmp_path).returncode == 0
    assert "hunter22" not in (tmp_path / ".dvc" / "config").read_text()
