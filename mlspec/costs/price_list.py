"""Prices of AWS in one region: those that mlspec comes with, or those in the project's `prices.json`."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from mlspec.errors import MlspecError

FILE: Final = "prices.json"
"""In the project's folder, written by `mlspec prices --refresh`; the same for the whole team, so it belongs in git."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars for each unit, of the first tier and without the free tier.

    The names of a function's prices end with the architecture: `x86_64` or `arm64`.
    """

    requests_x86_64: Decimal
    """A request."""
    requests_arm64: Decimal
    duration_x86_64: Decimal
    """A GB-second."""
    duration_arm64: Decimal
    storage_x86_64: Decimal
    """A GB-second of /tmp above 512 MB."""
    storage_arm64: Decimal
    provisioned_x86_64: Decimal
    """A GB-second of provisioned concurrency, used or not."""
    provisioned_arm64: Decimal
    provisioned_duration_x86_64: Decimal
    """A GB-second of a request that provisioned concurrency answers."""
    provisioned_duration_arm64: Decimal
    http_api_requests: Decimal
    """A request to an HTTP API."""
    log_ingestion: Decimal
    """A GB of logs written."""
    log_storage: Decimal
    """A GB of logs, stored for a month."""
    metrics: Decimal
    """A custom metric for a month."""
    alarm_metrics: Decimal
    """A metric that an alarm evaluates, for a month."""
    image_storage: Decimal
    """A GB of images, stored for a month."""
    bucket_storage: Decimal
    """A GB in Amazon S3 (Standard), stored for a month."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of a region on a day (ISO 8601)."""

    region: str
    date: str
    prices: Prices


BUILT_IN: Final = PriceList(
    "us-east-1",
    "2026-08-21",
    Prices(
        requests_x86_64=Decimal("0.0000002"),
        requests_arm64=Decimal("0.0000002"),
        duration_x86_64=Decimal("0.0000166667"),
        duration_arm64=Decimal("0.0000133334"),
        storage_x86_64=Decimal("0.0000000309"),
        storage_arm64=Decimal("0.0000000309"),
        provisioned_x86_64=Decimal("0.0000041667"),
        provisioned_arm64=Decimal("0.0000033334"),
        provisioned_duration_x86_64=Decimal("0.0000097222"),
        provisioned_duration_arm64=Decimal("0.0000077778"),
        http_api_requests=Decimal("0.000001"),
        log_ingestion=Decimal("0.5"),
        log_storage=Decimal("0.03"),
        metrics=Decimal("0.3"),
        alarm_metrics=Decimal("0.1"),
        image_storage=Decimal("0.1"),
        bucket_storage=Decimal("0.023"),
    ),
)
"""Source: https://aws.amazon.com/lambda/pricing/, …/cloudwatch/pricing/, …/ecr/pricing/, …/s3/pricing/,
…/api-gateway/pricing/."""


_ADDED: Final = {"bucket_storage": f"{BUILT_IN.prices.bucket_storage:f}"}
"""Prices that files of earlier releases do not have."""


def price_list(root: Path, region: str) -> PriceList:
    """The prices of the region in the project's file, else those of `BUILT_IN`, whatever its region.

    Raises MlspecError for a damaged file.
    """
    return read_price_file(root).get(region, BUILT_IN)


def read_price_file(root: Path) -> dict[str, PriceList]:
    """The lists in the project's file by region; none without a file. Raises MlspecError for a damaged file."""
    path = root / FILE
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {region: _parsed(region, entry) for region, entry in content.items()}
    except OSError as error:
        message, help = f"{FILE} cannot be read: {error.strerror}", "correct its permissions"
        raise MlspecError(message, help=help) from error
    except (ValueError, AttributeError, KeyError, TypeError, InvalidOperation) as error:
        help = "delete it, or write it again: mlspec prices --refresh"
        raise MlspecError(f"{FILE} is not a list of prices", help=help) from error


def to_json(lists: Mapping[str, PriceList]) -> str:
    """The text of the project's file."""
    content = {
        region: {
            "date": one.date,
            "currency": "USD",
            "prices": {name: f"{price:f}" for name, price in asdict(one.prices).items()},
        }
        for region, one in sorted(lists.items())
    }
    return json.dumps(content, indent=2) + "\n"


def _parsed(region: str, entry: Mapping[str, Mapping[str, str]]) -> PriceList:
    listed = {**_ADDED, **entry["prices"]}
    prices = {field.name: Decimal(listed[field.name]) for field in fields(Prices)}
    if not all(price.is_finite() and price >= 0 for price in prices.values()):
        raise ValueError(prices)
    return PriceList(region, datetime.date.fromisoformat(str(entry["date"])).isoformat(), Prices(**prices))
