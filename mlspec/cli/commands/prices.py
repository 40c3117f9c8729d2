"""`mlspec prices`: the prices that costs are estimated with."""

from __future__ import annotations

from dataclasses import asdict

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.errors import EXIT_OK
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
@click.option("--refresh", is_flag=True, help="Read the current prices from AWS, and write them to prices.json.")
@click.option("--region", metavar="REGION", help="AWS region. Default: that of the spec.")
def command(spec: str | None, env: str | None, as_json: bool, refresh: bool, region: str | None) -> int:
    """Show the prices that `mlspec plan` estimates costs with: of which region, and from which day.

    mlspec comes with the prices of us-east-1. With --refresh it reads those of the project's region from the AWS Price
    List API, which needs the right pricing:GetProducts. Commit prices.json, for the team to use the same.
    """
    from mlspec.compiler import compile_project
    from mlspec.costs.estimate import region_of
    from mlspec.costs.price_list import FILE, price_list, read_price_file
    from mlspec.workspace.template_cache import template_cache

    console, where = Console(as_json=as_json), find_spec(spec, env)
    region = region or region_of(compile_project(where.spec, where.environment, compiled=template_cache()).project)
    if refresh:
        from mlspec.costs.price_query import refresh_prices

        refresh_prices(where.root, region)
        console.say(f"wrote the prices of {region} to {FILE}")
    prices = price_list(where.root, region)
    if as_json:
        source = FILE if prices.region in read_price_file(where.root) else "mlspec"
        amounts = {name: float(price) for name, price in asdict(prices.prices).items()}
        console.document(
            {"ok": True, "region": prices.region, "date": prices.date, "source": source, "prices": amounts}
        )
    console.out(f"{prices.region}, {prices.date}, in US dollars")
    width = max(map(len, asdict(prices.prices)))
    for name, price in asdict(prices.prices).items():
        console.out(f"  {name.replace('_', ' ').replace('x86 64', 'x86_64'):{width}}  {price:f}")
    if prices.region != region:
        console.say(f"{FILE} has no prices of {region}; to read them from AWS: mlspec prices --refresh")
    return EXIT_OK
