"""Options of `registry`: where images are pushed to."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import shown

REPOSITORY = r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"
"""A repository's name, as Amazon ECR's API has it (CreateRepository, repositoryName)."""
REGION = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
ACCOUNT = r"^[0-9]{12}$"


def _repository(name: str) -> str:
    if re.fullmatch(REPOSITORY, name) and 2 <= len(name) <= 256:
        return name
    raise PydanticCustomError(
        "bad-repository-name",
        "an ECR repository has 2 to 256 small letters and digits, with single `.`, `_`, `-` or `/` between them",
        {"help": "for example `cola` or `team/cola`"},
    )


class Ecr(SpecModel):
    """A repository in Amazon ECR."""

    repository: Annotated[str, AfterValidator(_repository), shown(REPOSITORY)] = Field(
        description="Name of the repository, one for each project", examples=["cola", "team/cola"]
    )
    region: str = Field(pattern=REGION, description="AWS region of the repository", examples=["eu-west-1"])
    account: str | None = Field(
        None,
        pattern=ACCOUNT,
        description="AWS account that owns the repository, 12 digits in quotes; that of the credentials when left out",
        examples=["123456789012"],
    )
    immutable: bool = Field(True, description="A tag, once pushed, cannot be moved to another image")
    scan: bool = Field(True, description="Look for known vulnerabilities on every push")
    keep: int = Field(
        20,
        ge=2,
        le=1000,
        description="Released images that are kept; the live one and its predecessor must be among them",
    )
    kms_key: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(?:key|alias)/[A-Za-z0-9/_-]+$",
        max_length=2048,
        description="ARN of the KMS key that encrypts it; AWS's own by default",
    )
    pull_accounts: list[Annotated[str, Field(pattern=ACCOUNT)]] = Field(
        [],
        description="Other AWS accounts that may pull from it; a repository's policy has 10240 characters",
        max_length=200,
    )


class Registry(SpecModel):
    """Where images are pushed to."""

    ecr: Ecr = Field(description="A repository in Amazon ECR")
