"""Options of `registry`: the registry that images are pushed to."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import schema_pattern

REPOSITORY = r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"
"""A repository name, as Amazon ECR's API defines it (CreateRepository, repositoryName)."""
KEY = r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(?:key|alias)/[A-Za-z0-9/_-]+$"
REGION = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
ACCOUNT = r"^[0-9]{12}$"


def _repository(name: str) -> str:
    if re.fullmatch(REPOSITORY, name) and 2 <= len(name) <= 256:
        return name
    raise PydanticCustomError(
        "bad-repository-name",
        "an ECR repository name has 2 to 256 lowercase letters and digits, with single `.`, `_`, `-` or `/` between",
        {"help": "for example `cola` or `team/cola`"},
    )


class Ecr(SpecModel):
    """A repository in Amazon ECR."""

    repository: Annotated[str, AfterValidator(_repository), schema_pattern(REPOSITORY)] = Field(
        description="Repository name; use one repository per project", examples=["cola", "team/cola"]
    )
    region: str = Field(pattern=REGION, description="AWS region of the repository", examples=["eu-west-1"])
    account: str | None = Field(
        None,
        pattern=ACCOUNT,
        description="AWS account of the repository: 12 digits in quotes; default: the account of the credentials",
        examples=["123456789012"],
    )
    immutable: bool = Field(True, description="Immutable tags: a pushed tag cannot be moved to another image")
    scan: bool = Field(True, description="Scan for known vulnerabilities on every push")
    keep: int = Field(
        20,
        ge=2,
        le=1000,
        description="Number of released images to keep, including the live one and its predecessor",
    )
    kms_key: str | None = Field(
        None,
        pattern=KEY,
        max_length=2048,
        description="ARN of the KMS key that encrypts the repository; default: an AWS managed key",
    )
    pull_accounts: list[Annotated[str, Field(pattern=ACCOUNT)]] = Field(
        [],
        description="Other AWS accounts that may pull; a repository policy is limited to 10240 characters",
        max_length=200,
    )


class Registry(SpecModel):
    """The registry that images are pushed to."""

    ecr: Ecr = Field(description="A repository in Amazon ECR")
