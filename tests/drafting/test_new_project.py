"""A draft from data is a project that builds, and whose stage `data` runs, without an edit."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from mlspec.cli.app import main
from mlspec.compiler import compile_project
from mlspec.drafting.new_project import draft_of
from mlspec.errors import UsageError
from mlspec.job import Job
from mlspec.parts.data import work
from mlspec.sections.data import DataSpec


def german() -> bytes:
    """A German export: semicolons, decimal commas, words for missing values, spaces, a byte order mark."""
    random.seed(1)
    lines = ["Kunden-Nr;Beginn;Tarif;Preis (€);Alter;Kommentar;Storno;gekündigt"]
    for row in range(300):
        gone = row % 7 == 0
        price = "n/a" if row % 31 == 0 else f"{random.uniform(900, 1900):,.2f}".translate(str.maketrans(",.", ".,"))
        age = "unbekannt" if row % 17 == 0 else random.randint(18, 80)
        text = " ".join(random.choices(["gut", "schlecht", "nie", "wieder", "danke", "Router", "Preis", "Anruf"], k=6))
        label = ("ja" if row % 2 else "Ja") if gone else "nein"
        cells = [1000 + row, f"{row % 27 + 1}.3.2021", random.choice(["S", " M", "L"]), price, age, text]
        lines.append(";".join(map(str, [*cells, f"K{row}" if gone else "", label])))
    return b"\xef\xbb\xbf" + "\r\n".join(lines).encode()


def houses() -> bytes:
    """A number to predict, from numbers with thousands, in Windows' encoding."""
    random.seed(2)
    rows = [
        (random.choice(["Köln", "Bonn"]), random.randint(40, 200), random.choice(["NA", "yes"])) for _ in range(200)
    ]
    lines = [f'{town},"{area * 3100 + index:,}",{area},{lift}' for index, (town, area, lift) in enumerate(rows)]
    return "\n".join(["town,price,area,lift", *lines]).encode("cp1252")


def sentences() -> bytes:
    random.seed(3)
    words = ["cats", "dogs", "run", "sleep", "eat", "jump", "often", "rarely", "here", "there"]
    lines = [f"{' '.join(random.choices(words, k=5))}\t{random.randint(0, 1)}" for _ in range(200)]
    return "\n".join(["sentence\tgood", *lines]).encode("utf-16")


def headless() -> bytes:
    return "\n".join(f"{i % 10}.5,{'ab'[i % 2]},{'xyz'[i % 3]}" for i in range(90)).encode()


TABLES = {
    "kunden export.csv": (german, "gekündigt", {"Tarif": "category", "Preis (€)": "number", "Alter": "number"}, 300),
    "houses.csv": (houses, "price", {"town": "category", "area": "number", "lift": "category"}, 200),
    "sentences.tsv": (sentences, "good", {"sentence": "text"}, 200),
    "headless.csv": (headless, "column3", {"column1": "number", "column2": "category"}, 90),
}


def read(root: Path) -> DataSpec:
    """Run the stage `data` of the drafted spec."""
    data = compile_project(root / "mlproject.yaml").project.need(DataSpec)
    work.main(Job(root, root / "artifacts", root / "artifacts", {}, {"data": data}))
    return data


@pytest.mark.parametrize("name", TABLES)
def test_a_table(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents, target, inputs, count = TABLES[name]
    folder = tmp_path / "neues Projekt ü"
    folder.mkdir()
    (folder / name).write_bytes(contents())
    monkeypatch.chdir(folder)
    assert main(["init", "--data", name, "--target", target]) == 0
    assert main(["build"]) == 0
    data = read(folder)
    assert data.inputs == inputs
    tables = [pq.read_table(folder / f"artifacts/data/{split}.parquet") for split in ("train", "valid", "test")]
    assert sum(table.num_rows for table in tables) == count


def test_what_is_left_out_has_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kunden.csv").write_bytes(german())
    assert main(["init", str(tmp_path), "--data", str(tmp_path / "kunden.csv"), "--target", "gekündigt", "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert output["left_out"] == {
        "Kunden-Nr": "a different whole number in every row: an identifier",
        "Beginn": "dates: derive numbers or categories from them in a function (data.source)",
        "Kommentar": "sentences: a `tabular` model does not read text; write a class for both",
        "Storno": "filled in only where the target is Ja, ja: known after the target",
    }
    assert output["target"]["values"] == {"nein": "nein", "Ja": "Ja", "ja": "Ja"}
    text = (tmp_path / "mlproject.yaml").read_text(encoding="utf-8")
    assert "class_weights: balanced" in text
    assert "about the second label, Ja" in text


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("customer_id", lambda i: str(5000 - i // 2 * 2 if i < 4 else 9000 + i * 7 % 1000), "in nearly every row"),
        ("zip", lambda i: f"{i * 397 % 99999:05}", "codes with a leading zero, 1000 different ones"),
        ("phone", lambda i: f"+4917{i * i % 997 * 7919:09}", "telephone numbers"),
        ("money", lambda i: f"${i * 7:,}.50", "numbers with a sign, such as $0.50"),
        ("rate", lambda i: f"{i * 31 % 89} %", "numbers with a sign, such as 0 %"),
        ("twice", lambda i: str(i * 31 % 7), "the same values as size"),
    ],
)
def test_columns_that_a_model_should_not_read(
    tmp_path: Path, name: str, value: Callable[[int], str], reason: str
) -> None:
    rows = "".join(f'{i * 31 % 7},"{value(i)}",{"ab"[i % 100 % 7 % 2]}\n' for i in range(1000))
    (tmp_path / "a.csv").write_text(f"size,{name},kind\n{rows}")
    draft = draft_of(tmp_path / "a.csv", lambda _: "kind")
    assert reason in draft.left_out[name]
    assert draft.inputs == {"size": "number"}


def test_codes_with_a_leading_zero_are_categories(tmp_path: Path) -> None:
    rows = "".join(f"{['01', '02', '11'][i % 3]},{'ab'[i % 5 % 2]}\n" for i in range(60))
    (tmp_path / "a.csv").write_text("code,kind\n" + rows)
    assert draft_of(tmp_path / "a.csv", lambda _: "kind").inputs == {"code": "category"}


def test_missing_labels_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{i % 7},{'ab'[i % 2] if i % 10 else ''}\n" for i in range(60))
    (tmp_path / "a.csv").write_text("size,kind\n" + rows)
    assert main(["init", str(tmp_path), "--data", str(tmp_path / "a.csv"), "--target", "kind"]) == 0
    assert "6 rows have no `kind` and will be left out (data.target.missing: drop)" in capsys.readouterr().err
    read(tmp_path)
    tables = [pq.read_table(tmp_path / f"artifacts/data/{split}.parquet") for split in ("train", "valid", "test")]
    assert sum(table.num_rows for table in tables) == 54


def test_a_folder_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label in ("Hund", "Vögel"):
        (tmp_path / "fotos" / label).mkdir(parents=True)
        for number in range(12):
            size = (20 + number, 30)
            Image.new("RGB", size, (number * 9, 80, 90)).save(tmp_path / "fotos" / label / f"{number} {label}.png")
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--data", "fotos"]) == 0
    assert main(["build"]) == 0
    assert read(tmp_path).inputs == {"image": "image"}


def test_a_file_elsewhere_is_copied(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "a.csv").write_bytes(houses())
    data = str(tmp_path / "downloads" / "a.csv")
    assert main(["init", str(tmp_path / "p"), "--data", data, "--target", "price"]) == 0
    assert (tmp_path / "p" / "data" / "a.csv").read_bytes() == houses()
    assert read(tmp_path / "p").source == "data/a.csv"


def nothing(folder: Path) -> None:
    (folder / "b.csv").write_text("x")


def prose(folder: Path) -> None:
    (folder / "a.csv").write_text("Once upon a time\nthere was a file.\n")


def workbook(folder: Path) -> None:
    (folder / "a.csv").write_bytes(b"PK\x03\x04\x81\x8d\x8f\x90")


def constant(folder: Path) -> None:
    (folder / "a.csv").write_text("id,same,kind\n" + "".join(f"{i},1,{'ab'[i % 2]}\n" for i in range(40)))


REFUSED: dict[str, tuple[Callable[[Path], None], list[str], str]] = {
    "no file": (nothing, ["--target", "x"], "file not found"),
    "no table": (prose, ["--target", "x"], "is not a table"),
    "no text": (workbook, ["--target", "x"], "is not text"),
    "no column": (constant, ["--target", "kidn"], "no column `kidn`"),
    "no input": (constant, ["--target", "kind"], "no column is left"),
    "no target": (constant, [], "no target given"),
    "a template": (constant, ["--template", "digits"], "exclude each other"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_data_is_refused(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write, options, message = REFUSED[case]
    write(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["init", str(tmp_path), "--data", str(tmp_path / "a.csv"), *options]) == UsageError.exit_code
    output = capsys.readouterr().err
    assert message in output
    assert "= help: " in output
    assert sorted(tmp_path.iterdir()) == before
