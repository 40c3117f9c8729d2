"""Secrets of the function's environment: in AWS Secrets Manager, where CloudFormation reads them when it deploys."""

from __future__ import annotations

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.error_messages import code_of
from mlspec.errors import StageError
from mlspec.parts.serverless.services import secret_name
from mlspec.spec.types import SecretRef


def check_secrets(target: AwsTarget, desired: DesiredFunction) -> None:
    """Raise StageError for a secret that the account does not have. No value is read."""
    for variable, value in desired.spec.options.environment.items():
        if isinstance(value, SecretRef) and not _exists(target, name := secret_name(desired.project, value)):
            message = f"the function's variable {variable} comes from the secret {name}, not found in Secrets Manager"
            command = f'aws secretsmanager create-secret --name {name} --secret-string "${value.env}"'
            raise StageError(message, help=f"{command} --region {target.region}")


def _exists(target: AwsTarget, name: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        target.client("secretsmanager").describe_secret(SecretId=name)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return False
        raise
    return True
