"""AWS's refusals and failures, as botocore raises them, to sentences with the next step."""

from __future__ import annotations

import botocore.exceptions as known
import pytest
from botocore.exceptions import ClientError

from mlspec.aws.error_messages import DEPLOY, aws_errors
from mlspec.aws.function_failures import failure
from mlspec.errors import StageError
from mlspec.sections.delivery_tool import SAM, SERVERLESS, DeliveryTool

WHO = "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: "
REFUSED = [
    (
        "AccessDeniedException",
        WHO + "lambda:CreateFunction on resource: arn:aws:lambda:eu-west-1:123456789012:function:cola because no "
        "identity-based policy allows the lambda:CreateFunction action",
        "these credentials may not do lambda:CreateFunction on arn:aws:lambda:eu-west-1:123456789012:function:cola",
        "lambda/deploy-policy.json",
    ),
    ("AccessDenied", WHO + "iam:PassRole on resource: arn:x with an explicit deny in a service control policy",
     "a policy of the organization forbids iam:PassRole on arn:x", "an administrator"),
    ("ExpiredTokenException", "The security token included in the request is expired", "have expired", "aws sso login"),
    ("UnrecognizedClientException", "The security token included in the request is invalid.", "region", "enable"),
    ("InvalidSignatureException", "Signature expired: 20261123T190000Z is now earlier than", "clock", "timedatectl"),
    ("SignatureDoesNotMatch", "The request signature we calculated does not match", "does not accept", "AWS_PROFILE"),
    ("TooManyRequestsException", "Rate exceeded", "AWS throttled", "wait a minute"),
    ("ResourceConflictException", "The operation cannot be performed at this time. An update is in progress",
     "another process is changing", "wait until"),
    ("CodeStorageExceededException", "Code storage limit exceeded.", "reached a limit", "delete old versions"),
    ("LimitExceededException", "Cannot exceed quota for RolesPerAccount: 1000", "reached a limit", "Service Quotas"),
    ("KMSAccessDeniedException", "Lambda was unable to decrypt", "KMS key cannot be used", "enable the key"),
    ("InvalidParameterValueException", "Source image 1.dkr.ecr.eu-west-1.amazonaws.com/cola@sha256:0 does not exist.",
     "cannot find the image", "--force push"),
    ("InvalidParameterValueException",
     "The image manifest, config or layer media type for the source image is not supported.",
     "does not support this kind of image", "--provenance=false"),
    ("InvalidParameterValueException", "Lambda does not have permission to access the ECR image. Check the ECR "
     "permissions.", "may not pull", "repository-policy.json"),
    ("InvalidParameterValueException", "Specified ReservedConcurrentExecutions for function decreases account's "
     "UnreservedConcurrentExecution below its minimum value of [100].", "keeps 100", "concurrency.reserved"),
    ("OptInRequired", "You are not subscribed to this service", "region is not enabled", "enable-region"),
    ("StrangeException", "Something odd", "CreateFunction failed: Something odd", "StrangeException"),
]  # fmt: skip


def refused(code: str, message: str, policy: str = DEPLOY) -> StageError:
    with pytest.raises(StageError) as error, aws_errors(policy):
        raise ClientError({"Error": {"Code": code, "Message": message}}, "CreateFunction")
    return error.value


@pytest.mark.parametrize("tool", [SAM, SERVERLESS], ids=lambda tool: tool.name)
def test_a_stack_takes_the_rights_of_the_role_that_its_foundation_creates(tool: DeliveryTool) -> None:
    error = refused("AccessDenied", WHO + "cloudformation:CreateChangeSet on resource: arn:x", tool.role_file)
    assert error.message == "these credentials may not do cloudformation:CreateChangeSet on arn:x"
    assert error.help.startswith(f"the role for releases in {tool.role_file} may deploy the service once it exists, ")


@pytest.mark.parametrize(
    ("code", "message", "text", "help"), REFUSED, ids=[f"{r[0]}-{i}" for i, r in enumerate(REFUSED)]
)
def test_refusals(code: str, message: str, text: str, help: str) -> None:
    error = refused(code, message)
    assert text in error.message
    assert help in error.help


@pytest.mark.parametrize(
    ("error", "message", "help"),
    [
        (known.NoCredentialsError(), "no AWS credentials found", "aws configure"),
        (known.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "no AWS credentials", "aws"),
        (known.ProfileNotFound(profile="work"), "work", "list-profiles"),
        (known.EndpointConnectionError(endpoint_url="https://lambda.eu-west-9.amazonaws.com"), "cannot be reached", "region"),
        (known.ConnectTimeoutError(endpoint_url="https://x"), "cannot be reached", "network"),
        (known.UnauthorizedSSOTokenError(), "sign-in has expired", "aws sso login"),
        (known.CredentialRetrievalError(provider="role", error_msg="no"), "cannot get the AWS credentials", "aws"),
        (known.SSLError(endpoint_url="https://x", error="self-signed"), "not trusted", "AWS_CA_BUNDLE"),
    ],
)  # fmt: skip
def test_what_fails_before_aws_answers(error: Exception, message: str, help: str) -> None:
    with pytest.raises(StageError) as result, aws_errors(DEPLOY):
        raise error
    assert message in result.value.message
    assert help in result.value.help


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ImageAccessDenied", "may not pull its image"),
        ("FunctionError.RuntimeInitError", "it fails to start: Error: Runtime exited"),
        ("SubnetOutOfIPAddresses", "no free address"),
        ("SomethingNew", "Error: Runtime exited"),
    ],
)
def test_why_a_function_is_not_ready(code: str, message: str) -> None:
    assert message in failure("lambda function cola", code, "Error: Runtime exited").message


def test_every_known_reason_is_one_of_lambdas() -> None:
    """A code that Lambda does not have would never be shown. Codes that its model adds are shown in Lambda's words."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("lambda").shape_for("StateReasonCode")
    from mlspec.aws.function_failures import FAILURES

    assert set(FAILURES) <= {code.partition(".")[0] for code in model.enum}
