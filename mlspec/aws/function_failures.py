"""Why a function is not usable: Lambda's reason codes as messages with the next step. Pure.

The codes: https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html (StateReasonCode).
"""

from __future__ import annotations

from typing import Final

from mlspec.errors import StageError

FAILURES: Final = {
    "ImageDeleted": ("its image is no longer in the repository", "push it again: mlspec apply --force push"),
    "ImageAccessDenied": ("Lambda may not pull its image",
                          "the repository needs the policy of ecr/repository-policy.json: mlspec apply --force push"),
    "InvalidImage": ("Lambda does not support its image: {reason}",
                     "build it without attestations: docker build --provenance=false"),
    "EniLimitExceeded": ("the account has no network interface left",
                         "raise the quota of elastic network interfaces (console: Service Quotas)"),
    "EC2RequestLimitExceeded": ("EC2 throttles Lambda", "wait a minute, then: mlspec apply"),
    "SubnetOutOfIPAddresses": ("a subnet of deploy.lambda.vpc has no free address", "name a larger subnet"),
    "InvalidSubnet": ("a subnet of deploy.lambda.vpc does not exist", "correct deploy.lambda.vpc.subnets"),
    "InvalidSecurityGroup": ("a security group of deploy.lambda.vpc does not exist, or is of another network",
                             "correct deploy.lambda.vpc.security_groups"),
    "InsufficientRolePermissions": ("its role lacks a permission: {reason}",
                                    "give the role of deploy.lambda.role the permissions of lambda/role-policy.json"),
    "KMSKeyAccessDenied": ("its role may not use the KMS key", "let the key's policy allow the function's role"),
    "KMSKeyNotFound": ("its KMS key does not exist", "correct the key"),
    "DisabledKMSKey": ("its KMS key is disabled", "enable the key, then: mlspec apply"),
    "InvalidStateKMSKey": ("its KMS key cannot be used now", "check the key's state, then: mlspec apply"),
    "FunctionError": ("it fails to start: {reason}", "read its log: aws logs tail /aws/lambda/NAME"),
    "InternalError": ("Lambda itself failed: {reason}", "wait a minute, then: mlspec apply"),
}  # fmt: skip


def failure(resource: str, code: str, reason: str) -> StageError:
    """The error for `resource`, from Lambda's reason code and its own words."""
    unknown = (reason or code or "Lambda reports no reason", f"the reason code in AWS's documentation: {code}")
    sentence, help = FAILURES.get(code.partition(".")[0], unknown)
    return StageError(f"{resource} is not ready: {sentence.format(reason=reason or code)}", help=help)
