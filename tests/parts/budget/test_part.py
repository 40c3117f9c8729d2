from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts.targets import LAMBDA, codes, files


@pytest.mark.parametrize("amount", ["20", "20 EUR", "USD 20", "-1 USD", "1,000 USD", "20USD", "1e3 USD", "020 USD"])
def test_an_amount_is_a_number_and_its_currency(amount: str, tmp_path: Path) -> None:
    assert codes(tmp_path, f'budget: {{monthly: "{amount}", training: {{price: 1 USD}}}}\n') == ["bad-format"]


def test_a_budget_without_costs_is_reported(tmp_path: Path) -> None:
    assert codes(tmp_path, "budget: {monthly: 20 USD}\n") == ["budget-without-costs?"]
    assert codes(tmp_path, "budget: {monthly: 20 USD, training: {price: 0.95 USD}}\n") == []
    assert codes(tmp_path, LAMBDA + "budget: {monthly: 20 USD}\n") == []


def test_it_changes_no_file(tmp_path: Path) -> None:
    assert files(tmp_path, LAMBDA) == files(tmp_path, LAMBDA + "budget: {monthly: 20 USD}\n")
