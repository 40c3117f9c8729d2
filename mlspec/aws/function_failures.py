"""Why Lambda could not make a function ready: its reason codes as sentences and next steps. Pure.

The codes: https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html (StateReasonCode).
"""

from __future__ import annotations

from typing import Final

from mlspec.errors import StageError

_KNOWN: Final = {
    "ImageDeleted": ("its image is no longer in the repository", "push it again: mlspec apply --force push"),
    "ImageAccessDenied": ("Lambda may not pull its image",
                          "the repository needs the policy of ecr/repository-policy.json: mlspec apply --force push"),
    "InvalidImage": ("Lambda does not take its image: {reason}",
                     "build it without attestations: docker build --provenance=false"),
    "EniLimitExceeded": ("the account has no network interface left",
                         "raise the quota of elastic network interfaces (console: Service Quotas)"),
    "EC2RequestLimitExceeded": ("EC2 turns Lambda away for now", "wait a minute, then: mlspec apply"),
    "SubnetOutOfIPAddresses": ("a subnet of deploy.lambda.vpc has no free address", "name a larger subnet"),
    "InvalidSubnet": ("a subnet of deploy.lambda.vpc does not exist", "correct deploy.lambda.vpc.subnets"),
    "InvalidSecurityGroup": ("a security group of deploy.lambda.vpc does not exist, or is of another network",
                             "correct deploy.lambda.vpc.security_groups"),
    "InsufficientRolePermissions": ("its role lacks a right: {reason}",
                                    "give the role of deploy.lambda.role what lambda/role-policy.json has"),
    "KMSKeyAccessDenied": ("its role may not use the KMS key", "let the key's policy allow the function's role"),
    "KMSKeyNotFound": ("its KMS key does not exist", "correct the key"),
    "DisabledKMSKey": ("its KMS key is disabled", "enable the key, then: mlspec apply"),
    "InvalidStateKMSKey": ("its KMS key cannot be used now", "look at the key's state, then: mlspec apply"),
    "FunctionError": ("it stops as it starts: {reason}", "its log says why: aws logs tail /aws/lambda/NAME"),
    "InternalError": ("Lambda itself failed: {reason}", "wait a minute, then: mlspec apply"),
}  # fmt: skip


def failure(resource: str, code: str, reason: str) -> StageError:
    """What became of `resource`, from Lambda's reason code and its sentence."""
    said, help = _KNOWN.get(code.partition(".")[0], (reason or code or "no reason is given", f"Lambda calls it {code}"))
    return StageError(f"{resource} is not ready: {said.format(reason=reason or code)}", help=help)
