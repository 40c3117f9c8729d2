"""The account that the credentials are for, and where a project's images lie in it."""

from __future__ import annotations

from mlspec.aws.aws_location import PLACEHOLDER, AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.errors import StageError


def located(target: AwsTarget, location: AwsLocation) -> AwsLocation:
    """`location` with the account of the credentials. Raises StageError where the spec names another one."""
    number = str(target.client("sts").get_caller_identity()["Account"])
    if not target.facts.one_project and location.account not in (PLACEHOLDER, number):
        message = f"the credentials are for the AWS account {number}, and the spec names {location.account}"
        raise StageError(message, help="choose another profile (AWS_PROFILE), or correct registry.ecr.account")
    return AwsLocation(location.region, number)


def repository_name(target: AwsTarget, name: str) -> str:
    """The name of a repository there: the emulator finds a function's image only where it has a single part."""
    return name if target.facts.nested_repositories else name.replace("/", "-")


def repository_uri(target: AwsTarget, location: AwsLocation, name: str) -> str:
    """Address of the repository, without tag or digest, as `docker push` takes it."""
    return f"{target.registry}/{name}" if target.registry else location.image_uri(name)
