"""AWS's errors as messages with the next step. No other module reads AWS's error codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mlspec.errors import StageError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

PUSH, DEPLOY, DESTROY = "ecr/push-policy.json", "lambda/deploy-policy.json", "lambda/destroy-policy.json"
BUCKET = "s3/bucket-admin-policy.json"
DESTROY_REGISTRY, DESTROY_BUCKET = "ecr/destroy-policy.json", "s3/destroy-policy.json"
"""The generated policies: each grants every action that its stage or command needs."""
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_UNKNOWN: Final = frozenset(
    {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch",
     "IncompleteSignature", "MissingAuthenticationToken", "AuthFailure"}
)  # fmt: skip
_THROTTLED: Final = frozenset(
    {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "Throttled", "SlowDown",
     "RequestThrottled", "ProvisionedThroughputExceededException"}
)  # fmt: skip
_BUSY: Final = frozenset({"ResourceConflictException", "PreconditionFailedException", "ConflictException",
                          "ConcurrentModification", "ConcurrentModificationException"})  # fmt: skip
_LOGIN: Final = "`aws sso login`, `aws configure`, or AWS_PROFILE for another profile"
_NOT_ALLOWED: Final = re.compile(r"not authorized to perform:? (?P<action>[\w-]+:\w+)(?:.*?on resource:? (?P<on>\S+))?")


def code_of(error: ClientError) -> str:
    """The error code of a botocore ClientError: `ResourceNotFoundException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_denied(error: ClientError) -> bool:
    """Whether a ClientError says that the credentials lack a right."""
    return code_of(error) in _DENIED or "not authorized to perform" in message_of(error)


def message_of(error: ClientError) -> str:
    """What AWS says in a ClientError, on one line."""
    return " ".join(str(error.response.get("Error", {}).get("Message", "")).split())[:500]


@contextmanager
def aws_errors(policy: str) -> Iterator[None]:
    """Turn what calls of AWS raise in the block into StageErrors. `policy` is the file that grants all of
    them, or the template with the role that a release needs."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        help = "pip install 'mlspec[aws]'; with --target local: pip install 'mlspec[local]'"
        raise StageError("shipping to AWS needs the package boto3", help=help) from None
    try:
        yield
    except ClientError as error:
        raise refusal(code_of(error), message_of(error), str(error.operation_name), policy) from None
    except BotoCoreError as error:
        raise unreachable(error) from None


def refusal(code: str, message: str, operation: str, policy: str) -> StageError:
    """AWS's error for `operation` as a message with the next step."""
    if code in _DENIED or "not authorized to perform" in message:
        return _denied(message, operation, policy)
    if code in _EXPIRED or "token included in the request is expired" in message:
        return StageError("the AWS credentials have expired", help=f"{_LOGIN}; then: mlspec apply")
    if code == "RequestTimeTooSkewed" or "Signature not yet current" in message or "Signature expired" in message:
        return StageError(
            "AWS rejects the request because the clock of this machine is wrong",
            help="set it: sudo timedatectl set-ntp true",
        )
    if code == "OptInRequired" or (code in _UNKNOWN and "security token included" in message):
        return StageError(
            "AWS does not know these credentials, or the region is not enabled for the account",
            help=f"{_LOGIN}; or enable the region: aws account enable-region --region-name REGION",
        )
    if code in _UNKNOWN:
        return StageError(f"AWS does not accept these credentials ({code})", help=_LOGIN)
    if code in _THROTTLED or "Rate exceeded" in message:
        message = f"AWS throttled {operation}, also after several retries"
        return StageError(message, help="wait a minute, then resume: mlspec apply")
    if code in _BUSY:
        return StageError(
            f"{operation}: another process is changing the same resource ({message})",
            help="wait until the other change has finished, then: mlspec apply",
        )
    return _limit(code, message, operation) or _key(code, message) or _other(code, message, operation)


def _denied(message: str, operation: str, policy: str) -> StageError:
    match = _NOT_ALLOWED.search(message)
    action = match["action"] if match else operation
    on = f" on {match['on']}" if match and match["on"] else ""
    if "explicit deny" in message:
        kind = "a policy of the organization" if "service control policy" in message else "a policy"
        return StageError(
            f"{kind} forbids {action}{on}",
            help="ask an administrator of the AWS account: no other right overrides an explicit deny",
        )
    return StageError(f"these credentials may not do {action}{on}", help=_who_may(policy))


def _who_may(policy: str) -> str:
    """Where the rights are that were missing; `policy` as in `aws_errors`, "" for none."""
    if not policy:
        return "no generated policy has the rights on what the spec does not name: use an administrator's credentials"
    if policy.endswith(".json"):
        return f"{policy} has all the rights that this needs: attach it to the role or user that runs mlspec"
    return (
        f"the role for releases in {policy} may deploy the service once it exists, with the rights of the foundation "
        "that was deployed last; to deploy that, or the service for the first time, use an administrator's credentials"
    )


def _limit(code: str, message: str, operation: str) -> StageError | None:
    if not re.search(r"Limit|Quota|StorageExceeded|TooMany", code):
        return None
    help = "raise the quota (console: Service Quotas), or remove what is no longer needed: mlspec destroy"
    if code == "CodeStorageExceededException":
        help = "delete old versions: aws lambda delete-function --function-name NAME --qualifier VERSION"
    return StageError(f"{operation}: the account has reached a limit of AWS: {message}", help=help)


def _key(code: str, message: str) -> StageError | None:
    if "KMS" not in code and "kms" not in message.lower():
        return None
    help = "enable the key, and let these credentials use it (kms:CreateGrant, kms:DescribeKey, kms:RetireGrant)"
    return StageError(f"the KMS key cannot be used: {message or code}", help=help)


_KNOWN: Final = (
    (r"specified bucket does not exist", "the S3 bucket for the zip (package.zip.bucket) does not exist",
     "let mlspec create it: add `bucket: {}` to the spec; or correct package.zip.bucket"),
    (r"s3 location constraint|bucket.* in (?:a different|the same) region|PermanentRedirect",
     "the S3 bucket for the zip is in another region: {message}",
     "name one of the function's own region in package.zip.bucket"),
    (r"manifest.*media type|image index|unsupported.*manifest", "Lambda does not support this kind of image: {message}",
     "build it without attestations (docker build --provenance=false), then: mlspec apply"),
    (r"source image .* (does not exist|is not valid)|Image.* (does not exist|not found)",
     "Lambda cannot find the image: {message}", "push it again: mlspec apply --force push"),
    (r"Lambda does not have permission to access the ECR image", "Lambda may not pull the image",
     "its repository needs the policy of ecr/repository-policy.json: mlspec apply --force push"),
    (r"architecture", "the image and the function have different architectures: {message}",
     "let package.docker.platform and deploy.lambda.architecture agree"),
    (r"UnreservedConcurrentExecution", "AWS keeps 100 concurrent executions for all other functions: {message}",
     "lower deploy.lambda.concurrency.reserved, or raise the account's quota of concurrent executions"),
    (r"specified log (group|stream) does not exist", "the release history is missing: {message}",
     "mlspec apply creates it"),
    (r"role defined for the function cannot be assumed", "Lambda cannot assume the function's role",
     "it must trust lambda.amazonaws.com, as lambda/role-trust.json does"),
)  # fmt: skip


def _other(code: str, message: str, operation: str) -> StageError:
    for pattern, sentence, help in _KNOWN:
        if re.search(pattern, message, re.IGNORECASE):
            return StageError(sentence.format(message=message), help=help)
    return StageError(
        f"{operation} failed: {message or code}", help=f"look the error code up in AWS's documentation: {code}"
    )


_OFFLINE: Final = frozenset(
    {"EndpointConnectionError", "ConnectTimeoutError", "ConnectionError", "ProxyConnectionError", "ReadTimeoutError",
     "ConnectionClosedError", "HTTPClientError"}
)  # fmt: skip


def unreachable(error: Exception) -> StageError:
    """What botocore raises before AWS has answered, as a message with the next step. Its code `unreachable` says that
    an immediate retry would fail again."""
    unanswered = _unanswered(error)
    return StageError(unanswered.message, help=unanswered.help, code="unreachable")


def _unanswered(error: Exception) -> StageError:
    kind, text = type(error).__name__, str(error)
    if kind in ("NoCredentialsError", "PartialCredentialsError"):
        return StageError("no AWS credentials found", help=_LOGIN)
    if kind == "ProfileNotFound":
        return StageError(text, help="list the profiles: aws configure list-profiles")
    if "SSO" in kind or kind in ("UnauthorizedSSOTokenError", "TokenRetrievalError", "LoginRefreshRequired"):
        return StageError("the AWS sign-in has expired", help="aws sso login, then: mlspec apply")
    if kind == "CredentialRetrievalError":
        return StageError(f"cannot get the AWS credentials: {text}", help=_LOGIN)
    if kind == "SSLError":
        return StageError(
            f"the connection to AWS is not trusted: {text}",
            help="behind a company's proxy, set AWS_CA_BUNDLE to its CA",
        )
    if kind in _OFFLINE:
        return StageError(
            f"AWS cannot be reached: {text}", help="check the network and the region's name, then: mlspec apply"
        )
    return StageError(f"the request to AWS failed: {text}", help="run `mlspec apply` again to resume")
