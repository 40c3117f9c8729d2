"""What exists of a foundation besides the repository: roles, a bucket, a budget. Another project's is refused."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.aws.bucket import Bucket, unknown_parts
from mlspec.aws.bucket_provider import BucketProvider
from mlspec.aws.cost_alarm import budget_filter
from mlspec.aws.desired import DesiredFunction, Spec
from mlspec.aws.error_messages import code_of
from mlspec.aws.owned_bucket import bucket_key, owned_bucket
from mlspec.aws.ownership import check_ownership
from mlspec.aws.role import RoleProvider
from mlspec.errors import StageError


def check_role(desired: DesiredFunction, name: str) -> bool:
    """Whether a role exists. Raises StageError for one of another project."""
    current = RoleProvider(desired.target, parts=False).read(name)
    if current is None:
        return False
    command = f"aws iam tag-role --role-name {name} --tags Key={{}},Value={{}}"
    check_ownership(f"iam role {name}", current.tags, desired.project, command, desired.target.owner)
    return True


def existing_role(desired: DesiredFunction, key: str, name: str) -> Iterator[str]:
    """`KEY_role` for a role that exists, and `KEY_role_POLICY` for each policy in it."""
    if check_role(desired, name):
        yield f"{key}_role"
        policies = desired.target.client("iam").list_role_policies(RoleName=name)["PolicyNames"]
        yield from (f"{key}_role_{policy}" for policy in policies)


def existing_bucket(spec: Spec, desired: DesiredFunction) -> Bucket | None:
    """The bucket of the spec as it is; None where it does not exist. Raises StageError for one of another project, and
    for one with settings that a tool, which describes a bucket as a whole, would remove."""
    bucket = owned_bucket(spec, desired.target.owner.source)
    if bucket is None:
        return None
    provider = BucketProvider(desired.target, desired.spec.location, bucket_key(spec))
    current = provider.read(bucket.name)
    if current is None:
        return None
    provider.diff(bucket, current)  # refuses another project's, and one in another region
    if unknown := unknown_parts(bucket, current):
        message = f"s3 bucket {bucket.name} has settings that {desired.tool.name} would remove: {', '.join(unknown)}"
        help = "remove them first; or use the bucket as it is: remove the section `bucket`"
        raise StageError(message, help=help)
    return current


def has_own_budget(desired: DesiredFunction) -> bool:
    """Whether the project's monthly budget exists. Raises StageError for one that counts other costs."""
    from botocore.exceptions import ClientError

    known = {"AccountId": desired.spec.location.account, "BudgetName": desired.name}
    try:
        budget = desired.target.client("budgets").describe_budget(**known)["Budget"]
    except ClientError as error:
        if code_of(error) == "NotFoundException":
            return False
        raise
    counted = [one for values in budget.get("CostFilters", {}).values() for one in values]
    if budget_filter(desired.project) in counted:
        return True
    message = f"the AWS budget {desired.name} exists already, and does not count the costs of this project"
    raise StageError(message, help="rename one of them: deploy.lambda.name; or remove budget.notify")
