"""Options of `budget`: what the project may cost in a month, and the traffic that the estimate is for."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from mlspec.sections.monitor_notify import Address
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import schema_pattern

_DOLLARS = r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,4})? USD"


def _dollars(given: object) -> str:
    if isinstance(given, str) and re.fullmatch(_DOLLARS, given):
        return given
    number = re.search(r"[0-9]+(?:\.[0-9]{1,4})?", str(given))
    help = f"for example `{number[0] if number else 20} USD`; AWS publishes its prices in US dollars"
    raise PydanticCustomError("bad-format", "{what}", {"what": "an amount is a number and `USD`", "help": help})


Dollars = Annotated[str, BeforeValidator(_dollars), schema_pattern(_DOLLARS, "20 USD", "0.95 USD")]
"""An amount of US dollars."""


def amount(dollars: str) -> Decimal:
    """The number of a Dollars."""
    return Decimal(dollars.removesuffix(" USD"))


class TrainingCosts(SpecModel):
    """What training costs on a machine that is paid by the hour."""

    price: Dollars = Field(description="Price of the machine for an hour", examples=["0.95 USD"])
    per_month: int = Field(1, ge=1, le=10_000, description="Trainings in a month")
    hours: float | None = Field(
        None, gt=0, le=10_000, description="Hours of a training; default: as long as the last one took"
    )


class CostBudget(SpecModel):
    """What the project may cost in a month. `mlspec plan` shows the estimate; `mlspec apply` refuses a larger one."""

    READ_BY_STAGES = False

    monthly: Dollars = Field(description="Largest estimated costs of a month", examples=["20 USD"])
    requests: int = Field(100_000, ge=0, le=10**12, description="Expected requests in a month")
    request_ms: float = Field(100, gt=0, le=900_000, description="Expected mean duration of a request in ms")
    training: TrainingCosts | None = Field(None, description="Costs of training, on a machine paid by the hour")
    notify: list[Address] = Field(
        [],
        max_length=10,
        description="Mail addresses that AWS Budgets writes to at 80 % of `monthly`, and when it forecasts more than "
        "all of it. The tool of `deploy.iac` creates this alarm",
        examples=[["team@example.com"]],
    )
