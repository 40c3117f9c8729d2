"""The section `Costs` of `mlspec plan`: what the project costs in a month, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from mlspec.costs.estimate import CostEstimate
from mlspec.costs.monthly_costs import total


class CostJson(TypedDict):
    """A line of the estimate; the amount in US dollars a month."""

    name: str
    dollars: float
    basis: str
    key: str


class CostsJson(TypedDict):
    """The stable JSON shape of an estimate."""

    region: str
    prices_of: str
    prices_from: str
    total: float
    budget: float | None
    lines: list[CostJson]


def to_json(estimate: CostEstimate) -> CostsJson:
    """The stable JSON shape of an estimate."""
    lines: list[CostJson] = [
        {
            "name": line.name,
            "dollars": round(float(line.dollars), 4),
            "basis": line.basis,
            "key": ".".join(map(str, line.key)),
        }
        for line in estimate.lines
    ]
    return {
        "region": estimate.region,
        "prices_of": estimate.prices.region,
        "prices_from": estimate.prices.date,
        "total": round(float(total(estimate.lines)), 2),
        "budget": float(estimate.limit) if estimate.limit is not None else None,
        "lines": lines,
    }


def text(estimate: CostEstimate) -> Iterator[str]:
    """The lines of the section."""
    prices = estimate.prices
    other = f"; for those of {estimate.region}: mlspec prices --refresh" if prices.region != estimate.region else ""
    yield f"Costs per month (estimate; prices of {prices.region}, {prices.date}{other})"
    width = max(len(line.name) for line in (*estimate.lines,))
    for line in estimate.lines:
        yield f"  {line.name:{width}}  {line.dollars:8.2f} USD  {line.basis}"
    limit = f"  of {estimate.limit:.2f} USD  [budget.monthly]" if estimate.limit is not None else ""
    yield f"  {'total':{width}}  {total(estimate.lines):8.2f} USD{limit}"
