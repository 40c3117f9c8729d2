"""Whose account the credentials are for: the settings of a spec that leaves the account out are completed with it."""

from __future__ import annotations

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.ecr import image_uri
from mlspec.errors import StageError
from mlspec.sections.registry import Ecr


def completed(target: AwsTarget, ecr: Ecr) -> Ecr:
    """`ecr` with its account. Raises StageError where the credentials are for another one than the spec names."""
    number = str(target.client("sts").get_caller_identity()["Account"])
    if target.kind == "aws" and ecr.account not in (None, number):
        message = f"the credentials are for the AWS account {number}, and the spec names {ecr.account}"
        raise StageError(message, help="choose another profile (AWS_PROFILE), or correct registry.ecr.account")
    # The emulator finds the image of a function only in a repository whose name has one part.
    flat = {"repository": ecr.repository.replace("/", "-")} if target.kind == "local" else {}
    return ecr.model_copy(update={"account": number, **flat})


def repository(target: AwsTarget, ecr: Ecr) -> str:
    """Address of the repository, without tag or digest, as `docker push` takes it."""
    return f"{target.registry}/{ecr.repository}" if target.registry else image_uri(ecr)
