"""`mlspec prices` on a project whose region has no prices yet, and on one that has."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlspec.cli.app import main
from mlspec.costs.price_list import BUILT_IN, FILE, to_json
from tests.parts.targets import BASE, LAMBDA


def test_prices_of_another_region_until_the_project_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlproject.yaml").write_text(BASE + LAMBDA)
    monkeypatch.chdir(tmp_path)
    assert main(["prices"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("us-east-1, 2026-08-21, in US dollars\n")
    assert "duration x86_64              0.0000166667" in out
    assert "prices.json has no prices of eu-west-1; to read them from AWS: mlspec prices --refresh" in err
    (tmp_path / FILE).write_text(to_json({"eu-west-1": replace(BUILT_IN, region="eu-west-1", date="2026-11-27")}))
    assert main(["prices", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["region"], shown["date"], shown["source"]) == ("eu-west-1", "2026-11-27", "prices.json")
    (tmp_path / FILE).write_text("{")
    assert main(["plan"]) == 1
    assert "prices.json is not a list of prices" in capsys.readouterr().err
