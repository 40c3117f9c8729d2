"""The prices of the project's file: those of the region there, else those that mlspec comes with."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from mlspec.costs.price_list import BUILT_IN, FILE, price_list, read_price_file, to_json
from mlspec.errors import MlspecError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    dear = replace(BUILT_IN, region="eu-west-1", prices=replace(BUILT_IN.prices, log_ingestion=Decimal("0.57")))
    (tmp_path / FILE).write_text(to_json({"us-east-1": BUILT_IN, "eu-west-1": dear}))
    assert read_price_file(tmp_path) == {"us-east-1": BUILT_IN, "eu-west-1": dear}
    assert price_list(tmp_path, "eu-west-1") == dear
    assert price_list(tmp_path, "eu-north-1") == BUILT_IN


def test_a_file_of_an_earlier_release_has_not_every_price(tmp_path: Path) -> None:
    content = json.loads(to_json({"us-east-1": BUILT_IN}))
    del content["us-east-1"]["prices"]["bucket_storage"]
    (tmp_path / FILE).write_text(json.dumps(content))
    assert price_list(tmp_path, "us-east-1") == BUILT_IN


@pytest.mark.parametrize(
    "change", [{"log_storage": "-1"}, {"log_storage": "NaN"}, {"log_storage": "x"}, {"metrics": None}]
)
def test_a_damaged_file_is_refused_with_the_command_that_writes_it_again(
    tmp_path: Path, change: dict[str, str]
) -> None:
    content = json.loads(to_json({"us-east-1": BUILT_IN}))
    content["us-east-1"]["prices"] |= change
    (tmp_path / FILE).write_text(json.dumps(content))
    with pytest.raises(MlspecError, match=FILE) as refused:
        price_list(tmp_path, "us-east-1")
    assert "mlspec prices --refresh" in refused.value.help


@pytest.mark.parametrize("text", ["", "[]", "{", '{"us-east-1": {}}', '{"us-east-1": 1}', "\x00"])
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(MlspecError, match=FILE):
        price_list(tmp_path, "us-east-1")
