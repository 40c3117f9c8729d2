"""JSON files: an object with several values for one key is refused with the key's path and the line, in every form."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from mlspec.errors import StageError
from tests.parts.data.project import data_splits, rows, write

ROW = '{"sentence": "s", "label": "no", "meta": {"a": [1]}}'
SENTENCES = [json.dumps({"sentence": f"s{at}", "label": ["no", "yes"][at % 2]}) for at in range(14)]
REPEATED = {
    "sentence": '{"sentence": "s", "label": "no", "sentence": "t"}',
    "label": '{"label": "no", "sentence": "s", "label": "no"}',
    "meta.a": '{"sentence": "s", "label": "no", "meta": {"a": 1, "b": 2, "a": 1}}',
    "meta.list.a": '{"sentence": "s", "label": "no", "meta": {"list": [1, {"a": 1, "a": 2, "a": 3}]}}',
    "": '{"sentence": "s", "label": "no", "": 1, "": 2}',
}
FORMS = {
    "a.jsonl": lambda every: "\n".join(every).encode(),
    "a.json": lambda every: f"[{','.join(every)}\n]".encode(),
    "a.jsonl.gz": lambda every: gzip.compress("\n".join(every).encode()),
    "a.json.gz": lambda every: gzip.compress(f"[{','.join(every)}\n]".encode()),
}
"""Each form of a JSON file, from rows of which each but the first begins with a line break where it is a list."""


def contents(form: str, every: list[str]) -> bytes:
    spaced = [every[0], *(f"\n{row}" for row in every[1:])] if ".json" in form and "jsonl" not in form else every
    return FORMS[form](spaced)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("key", "row"), REPEATED.items(), ids=range(len(REPEATED)))
def test_a_key_with_several_values_is_refused_and_the_help_leads_to_the_table(
    tmp_path: Path, form: str, key: str, row: str
) -> None:
    write(tmp_path, {f"data/{form}": contents(form, [*SENTENCES, row, ROW, row])})
    with pytest.raises(StageError) as caught:
        data_splits(tmp_path, source=f"data/{form}")
    assert caught.value.code == "repeated-key"
    assert f"rows have the key `{key}` more than once: 2 rows" in caught.value.message
    for line in (15, 17):
        assert f"data/{form} line {line}: " in caught.value.message
    assert f"keep one `{key}` in each of these rows" in caught.value.help
    write(tmp_path, {f"data/{form}": contents(form, [*SENTENCES, ROW, ROW])})
    assert len(rows(data_splits(tmp_path, source=f"data/{form}"))) == 16


@pytest.mark.parametrize("form", ["a.jsonl", "a.json"])
def test_faults_of_several_kinds_are_all_named(tmp_path: Path, form: str) -> None:
    write(tmp_path, {f"data/{form}": contents(form, [*SENTENCES, *REPEATED.values(), "[1]"])})
    with pytest.raises(StageError) as caught:
        data_splits(tmp_path, source=f"data/{form}")
    assert caught.value.code == "repeated-key"
    for key in REPEATED:
        assert f"the key `{key}` more than once: 1 row" in caught.value.message
    assert f"data/{form} line 20: '[1]'" in caught.value.message


def test_a_syntax_error_behind_a_repeated_key_is_not_hidden(tmp_path: Path) -> None:
    write(tmp_path, {"data/a.jsonl": "\n".join([*SENTENCES, '{"a": 1, "a": 2} x', '{"a": 1, "a": 2, "b"}'])})
    with pytest.raises(StageError) as caught:
        data_splits(tmp_path, source="data/a.jsonl")
    assert "rows are not JSON: 2 rows" in caught.value.message
    assert not caught.value.code
