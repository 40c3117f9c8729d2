"""The prices of a region, from a stand-in of the Price List API (no emulator of it is to be had).

Its answers have the shape of https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlspec.aws.aws_target import AwsTarget
from mlspec.costs.price_list import PriceList
from mlspec.costs.price_query import current_prices
from mlspec.errors import StageError

Product = tuple[str, str, str, dict[str, str]]
"""Service, group, usage type, and the price of each tier by its lower bound."""
PRODUCTS: list[Product] = [
    ("AWSLambda", "AWS-Lambda-Requests", "EU-Request", {"0": "0.0000002"}),
    ("AWSLambda", "AWS-Lambda-Requests-ARM", "EU-Request-ARM", {"0": "0.0000002"}),
    ("AWSLambda", "AWS-Lambda-Duration", "EU-Lambda-GB-Second", {"6000000000": "0.000015", "0": "0.0000166667"}),
    ("AWSLambda", "AWS-Lambda-Duration-ARM", "EU-Lambda-GB-Second-ARM", {"0": "0.0000133334"}),
    ("AWSLambda", "AWS-Lambda-Storage-Duration", "EU-Lambda-Storage-GB-Second", {"0": "0.000000034"}),
    ("AWSLambda", "AWS-Lambda-Storage-Duration-ARM", "EU-Lambda-Storage-GB-Second-ARM", {"0": "0.000000034"}),
    ("AWSLambda", "AWS-Lambda-Provisioned-Concurrency", "EU-Lambda-Provisioned-Concurrency", {"0": "0.0000046"}),
    ("AWSLambda", "AWS-Lambda-Provisioned-Concurrency-ARM", "EU-Lambda-Prov", {"0": "0.0000037"}),
    ("AWSLambda", "AWS-Lambda-Duration-Provisioned", "EU-Lambda-Provisioned-GB-Second", {"0": "0.0000107"}),
    ("AWSLambda", "AWS-Lambda-Duration-Provisioned-ARM", "EU-Lambda-Provisioned-GB-Second", {"0": "0.0000086"}),
    ("AWSLambda", "AWS-Lambda-Edge-Requests", "EU-Lambda-Edge-Request", {"0": "0.0000006"}),
    ("AmazonApiGateway", "", "EU-ApiGatewayRequest", {"0": "0.0000035"}),
    ("AmazonApiGateway", "", "EU-ApiGatewayHttpRequest", {"0": "0.00000111", "300000000": "0.000001"}),
    ("AmazonCloudWatch", "", "EU-VendedLog-DataProcessing-Bytes", {"0": "0"}),
    ("AmazonCloudWatch", "", "EU-DataProcessing-Bytes", {"0": "0", "5": "0.57"}),
    ("AmazonCloudWatch", "", "EU-TimedStorage-ByteHrs", {"0": "0.03"}),
    ("AmazonCloudWatch", "", "EU-CW:MetricMonitorUsage", {"0": "0.3", "10000": "0.1"}),
    ("AmazonCloudWatch", "", "EU-CW:AlarmMonitorUsage", {"0": "0.1"}),
    ("AmazonS3", "", "EU-TimedStorage-ByteHrs", {"0": "0.023"}),
    ("AmazonECR", "", "EU-TimedStorage-ByteHrs", {"0": "0.1"}),
]


def product(group: str, usage: str, tiers: dict[str, str]) -> str:
    dimensions = {
        f"S.T.{bound}": {"beginRange": bound, "endRange": "Inf", "pricePerUnit": {"USD": price}}
        for bound, price in tiers.items()
    }
    attributes = {"usagetype": usage, "regionCode": "eu-west-1"} | ({"group": group} if group else {})
    return json.dumps(
        {"product": {"attributes": attributes}, "terms": {"OnDemand": {"S.T": {"priceDimensions": dimensions}}}}
    )


@contextmanager
def price_list_api(products: list[Product], denied: bool = False) -> Iterator[AwsTarget]:
    """Answers two products a page; requests for another region get none."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body: dict[str, object] = {
                "__type": "AccessDeniedException",
                "message": "not authorized to perform: pricing:GetProducts",
            }
            if not denied:
                here = {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1"} in request["Filters"]
                texts = [product(*rest) for service, *rest in products if here and service == request["ServiceCode"]]  # type: ignore[arg-type]
                begin = int(request.get("NextToken", 0))
                body = {"FormatVersion": "aws_v1", "PriceList": texts[begin : begin + 2]}
                if begin + 2 < len(texts):
                    body["NextToken"] = str(begin + 2)
            text = json.dumps(body).encode()
            self.send_response(400 if denied else 200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield AwsTarget("aws", "us-east-1", f"http://127.0.0.1:{server.server_port}", "", ("testing", "testing"))
    finally:
        server.shutdown()
        server.server_close()


def query(products: list[Product], region: str = "eu-west-1", denied: bool = False) -> PriceList:
    with price_list_api(products, denied) as target:
        return current_prices(target, region, "2026-11-27")


def test_each_price_is_that_of_its_product_in_the_first_tier_that_is_not_free() -> None:
    current = query(PRODUCTS)
    prices = current.prices
    assert (current.region, current.date) == ("eu-west-1", "2026-11-27")
    assert prices.requests_x86_64 == Decimal("0.0000002"), "not that of Lambda@Edge"
    assert prices.duration_x86_64 == Decimal("0.0000166667"), "the first tier, although it is listed last"
    assert prices.http_api_requests == Decimal("0.00000111"), "not that of a REST API"
    assert prices.log_ingestion == Decimal("0.57"), "the free gigabytes are left out, and so are vended logs"
    assert prices.provisioned_duration_arm64 == Decimal("0.0000086")
    assert prices.image_storage == Decimal("0.1")
    assert prices.bucket_storage == Decimal("0.023")
    assert prices.alarm_metrics == Decimal("0.1")


def test_a_price_that_aws_does_not_list_is_named() -> None:
    with pytest.raises(StageError, match="no price for image_storage in the region `eu-west-1`"):
        query([one for one in PRODUCTS if one[0] != "AmazonECR"])


def test_an_unknown_region_has_no_prices() -> None:
    with pytest.raises(StageError, match="eu-nowhere-1"):
        query(PRODUCTS, "eu-nowhere-1")


def test_a_missing_right_is_named() -> None:
    with pytest.raises(StageError, match="pricing:GetProducts") as refused:
        query(PRODUCTS, denied=True)
    assert "policy" in refused.value.help
