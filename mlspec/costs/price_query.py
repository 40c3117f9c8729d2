"""The current prices of a region, from the AWS Price List API (`pricing:GetProducts`).

Product families, groups and usage types: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-list-query-api.html.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import aws_errors, is_denied
from mlspec.costs.price_list import FILE, PriceList, Prices, read_price_file, to_json
from mlspec.errors import StageError
from mlspec.job import write_text

REGION: Final = "us-east-1"
"""Where the API answers for all regions."""
_RIGHT: Final = "pricing:GetProducts"


@dataclass(frozen=True, slots=True)
class _Selector:
    """A product: its service, and the attribute that identifies it."""

    service: str
    attribute: str
    pattern: str
    usage: str = ""

    def matches(self, attributes: Mapping[str, str]) -> bool:
        return (
            re.fullmatch(self.pattern, attributes.get(self.attribute, "")) is not None
            and re.search(self.usage, attributes.get("usagetype", "")) is not None
        )


def _of_lambda(group: str, usage: str) -> _Selector:
    return _Selector("AWSLambda", "group", group, usage)


_SELECTORS: Final = {
    "requests_x86_64": _of_lambda("AWS-Lambda-Requests", "Request"),
    "requests_arm64": _of_lambda("AWS-Lambda-Requests-ARM", "Request"),
    "duration_x86_64": _of_lambda("AWS-Lambda-Duration", "GB-Second"),
    "duration_arm64": _of_lambda("AWS-Lambda-Duration-ARM", "GB-Second"),
    "storage_x86_64": _of_lambda("AWS-Lambda-Storage-Duration", "GB-Second"),
    "storage_arm64": _of_lambda("AWS-Lambda-Storage-Duration-ARM", "GB-Second"),
    "provisioned_x86_64": _of_lambda("AWS-Lambda-Provisioned-Concurrency", ""),
    "provisioned_arm64": _of_lambda("AWS-Lambda-Provisioned-Concurrency-ARM", ""),
    "provisioned_duration_x86_64": _of_lambda("AWS-Lambda-Duration-Provisioned", ""),
    "provisioned_duration_arm64": _of_lambda("AWS-Lambda-Duration-Provisioned-ARM", ""),
    "http_api_requests": _Selector("AmazonApiGateway", "usagetype", r"([A-Z0-9]+-)?ApiGatewayHttpRequest"),
    "log_ingestion": _Selector("AmazonCloudWatch", "usagetype", r"([A-Z0-9]+-)?DataProcessing-Bytes"),
    "log_storage": _Selector("AmazonCloudWatch", "usagetype", r"([A-Z0-9]+-)?TimedStorage-ByteHrs"),
    "metrics": _Selector("AmazonCloudWatch", "usagetype", r"([A-Z0-9]+-)?CW:MetricMonitorUsage"),
    "alarm_metrics": _Selector("AmazonCloudWatch", "usagetype", r"([A-Z0-9]+-)?CW:AlarmMonitorUsage"),
    "bucket_storage": _Selector("AmazonS3", "usagetype", r"([A-Z0-9]+-)?TimedStorage-ByteHrs"),
    "image_storage": _Selector("AmazonECR", "usagetype", r"([A-Z0-9]+-)?TimedStorage-ByteHrs"),
}


def current_prices(target: AwsTarget, region: str, today: str) -> PriceList:
    """The prices of the region now. Raises StageError where AWS refuses, or does not list one of them."""
    with aws_errors(""):
        products = {service: list(_products(target, service, region)) for service in _services()}
    prices = {name: _price(products[selector.service], selector) for name, selector in _SELECTORS.items()}
    if missing := sorted(name for name, price in prices.items() if price is None):
        message = f"AWS lists no price for {', '.join(missing)} in the region `{region}`"
        raise StageError(message, help="check the region; without a list, mlspec uses the prices of us-east-1")
    return PriceList(region, today, Prices(**{name: price for name, price in prices.items() if price is not None}))


def _services() -> list[str]:
    return sorted({selector.service for selector in _SELECTORS.values()})


def _products(target: AwsTarget, service: str, region: str) -> Iterator[Mapping[str, Mapping[str, object]]]:
    from botocore.exceptions import ClientError

    filters = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}]
    pages = target.client("pricing").get_paginator("get_products")
    try:
        for page in pages.paginate(ServiceCode=service, Filters=filters):
            for text in page["PriceList"]:
                yield json.loads(text)
    except ClientError as error:
        if is_denied(error):
            message = f"the credentials may not read AWS's prices: they lack the right {_RIGHT}"
            raise StageError(message, help=f"ask for a policy that allows {_RIGHT} on `*`") from None
        raise


def _price(products: Iterable[Mapping[str, Mapping[str, object]]], selector: _Selector) -> Decimal | None:
    """The price of the first tier that is not free; None where no product matches."""
    for product in products:
        attributes = product.get("product", {}).get("attributes", {})
        if isinstance(attributes, Mapping) and selector.matches(attributes):
            tiers = sorted(_tiers(product))
            if tiers:
                return next((price for _, price in tiers if price), tiers[0][1])
    return None


def _tiers(product: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[Decimal, Decimal]]:
    """Lower bound and price in US dollars of each tier."""
    on_demand = product.get("terms", {}).get("OnDemand", {})
    for term in on_demand.values() if isinstance(on_demand, Mapping) else ():
        for dimension in term["priceDimensions"].values():
            try:
                yield Decimal(dimension["beginRange"]), Decimal(dimension["pricePerUnit"]["USD"])
            except (KeyError, InvalidOperation):
                continue  # another currency, or a range without a number


def refresh_prices(root: Path, region: str) -> None:
    """Write the current prices of the region to the project's file, beside those of other regions.

    Raises StageError where AWS refuses or does not answer, MlspecError for a damaged file.
    """
    lists = read_price_file(root)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    current = current_prices(AwsTarget("aws", REGION), region, today)
    write_text(root / FILE, to_json({**lists, region: current}))
