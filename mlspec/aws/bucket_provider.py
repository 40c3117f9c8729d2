"""The bucket in Amazon S3: created private, brought to its settings, and deleted only where it is empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, create, differences, put, unexpected
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.bucket import Bucket, merged_policy, merged_rules, purposes, same_rules
from mlspec.aws.error_messages import code_of
from mlspec.aws.ownership import check_ownership
from mlspec.aws.policy_document import PolicyDocument
from mlspec.aws.resource_tags import PROJECT, SOURCE, from_pairs
from mlspec.errors import StageError

_ABSENT: Final = (
    "NoSuchTagSet", "NoSuchPublicAccessBlockConfiguration", "NoSuchLifecycleConfiguration", "NoSuchBucketPolicy",
    "ServerSideEncryptionConfigurationNotFoundError", "OwnershipControlsNotFoundError",
)  # fmt: skip
"""Error codes of a bucket that has no such setting."""
_CALLS: Final = {
    "tag": "put_bucket_tagging",
    "set-ownership": "put_bucket_ownership_controls",
    "block-public-access": "put_public_access_block",
    "set-encryption": "put_bucket_encryption",
    "set-versioning": "put_bucket_versioning",
    "set-lifecycle": "put_bucket_lifecycle_configuration",
    "set-policy": "put_bucket_policy",
}
"""Operations, each by one call."""
_NO_REGION: Final = "us-east-1"
"""The region of a bucket for which GetBucketLocation names none."""


@dataclass(frozen=True)
class BucketProvider:
    """Reads and changes a bucket. `key` is the key of the spec that names it.

    Without `parts` its settings are not read: `mlspec destroy` has no rights on them.
    """

    target: AwsTarget
    location: AwsLocation
    key: str = "bucket.name"
    parts: bool = True

    def read(self, name: str) -> Bucket | None:
        """The bucket with its settings; None where none has that name. Raises StageError for that of another account:
        all accounts share the names."""
        from botocore.exceptions import ClientError

        client, which = self.target.client("s3"), self._which(name)
        try:
            answer = client.head_bucket(**which)
        except ClientError as error:
            if code_of(error) in ("404", "NoSuchBucket"):
                return None
            if code_of(error) in ("403", "AccessDenied"):
                raise self._taken(name) from None
            raise
        region = str(answer.get("BucketRegion") or _NO_REGION)
        tags = from_pairs(_setting(client.get_bucket_tagging, which, "TagSet") or [])
        location = AwsLocation(region, self.location.account)
        return self._whole(client, name, location, tags) if self.parts else Bucket(name, location, tags, (), None)

    def _whole(self, client: Any, name: str, location: AwsLocation, tags: Mapping[str, str]) -> Bucket:
        which = self._which(name)
        policy = _setting(client.get_bucket_policy, which, "Policy")
        encryption = _setting(client.get_bucket_encryption, which, "ServerSideEncryptionConfiguration")
        ownership = _setting(client.get_bucket_ownership_controls, which, "OwnershipControls")
        return Bucket(
            name=name,
            location=location,
            tags=tags,
            rules=tuple(_setting(client.get_bucket_lifecycle_configuration, which, "Rules") or ()),
            policy=PolicyDocument.parse(policy) if policy else None,
            encryption=_first(encryption, "ApplyServerSideEncryptionByDefault", "SSEAlgorithm"),
            kms_key=_first(encryption, "ApplyServerSideEncryptionByDefault", "KMSMasterKeyID") or None,
            versioning=str(client.get_bucket_versioning(**which).get("Status", "")),
            ownership=_first(ownership, "ObjectOwnership"),
            public_access=_setting(client.get_public_access_block, which, "PublicAccessBlockConfiguration"),
        )

    def _which(self, name: str) -> dict[str, str]:
        """The arguments that name it, and refuse a bucket of another account."""
        return {"Bucket": name, "ExpectedBucketOwner": self.location.account}

    def _place(self, name: str) -> str:
        return self.target.owner.place(self.key, name)

    def _taken(self, name: str) -> StageError:
        message = f"the name {name} is taken in Amazon S3, and these credentials may not read that bucket"
        help = (
            f"all AWS accounts share the names of buckets: choose another one ({self._place(name)}); or, if the bucket "
            "is in this account, attach s3/bucket-admin-policy.json"
        )
        return StageError(message, help=help)

    def diff(self, desired: Bucket | None, current: Bucket | None) -> list[Action]:
        """What creates the bucket, or gives it its settings: a rule or a statement that others added stays. Raises
        StageError for another project's, and for one in another region."""
        if desired is None:
            return []
        settings = _settings(desired, current)
        if current is None:
            return [create("bucket", desired.name, desired.location.region, desired.to_request()), *settings]
        self.check_owner(current, desired.tags[PROJECT])
        if current.location.region != desired.location.region:
            message = f"s3 bucket {desired.name} is in {current.location.region}, not in {desired.location.region}"
            help = f"AWS cannot move it: set bucket.region to {current.location.region}, or choose another name"
            raise StageError(message, help=f"{help} ({self._place(desired.name)})")
        return [*_tags(desired, current), *settings]

    def check_owner(self, current: Bucket, project: str) -> None:
        """Raise StageError for a bucket that is not the project's."""
        try:
            tagging = "'TagSet=[{{Key={},Value={}}}]'"
            command = f"aws s3api put-bucket-tagging --bucket {current.name} --tagging {tagging}"
            check_ownership(f"s3 bucket {current.name}", current.tags, project, command, self.target.owner)
        except StageError as error:
            help = f"{error.help}; or use it as it is: remove the section `bucket`"
            raise StageError(error.message, help=help) from None

    def objects(self, name: str) -> bool:
        """Whether anything is in the bucket: an object, an earlier version of one, or the mark that one was deleted."""
        answer = self.target.client("s3").list_object_versions(**self._which(name), MaxKeys=1)
        return bool(answer.get("Versions") or answer.get("DeleteMarkers"))

    def apply(self, action: Action) -> None:
        """Execute an action on the bucket."""
        client, given = self.target.client("s3"), dict(action.arguments)
        match action.operation:
            case "create":
                self._create(client, given)
            case "delete":
                client.delete_bucket(**self._which(action.name))
            case operation if operation in _CALLS:
                getattr(client, _CALLS[operation])(**given, ExpectedBucketOwner=self.location.account)
            case _:
                raise unexpected(action)

    def _create(self, client: Any, given: Mapping[str, Any]) -> None:
        """Tags that are given with the bucket are set again: stores beside Amazon S3 ignore them."""
        from botocore.exceptions import ClientError

        try:
            client.create_bucket(**given)
        except ClientError as error:
            if code_of(error) in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
                raise self._taken(given["Bucket"]) from None
            raise
        tags = given["CreateBucketConfiguration"]["Tags"]
        client.put_bucket_tagging(**self._which(given["Bucket"]), Tagging={"TagSet": tags})


def _tags(desired: Bucket, current: Bucket) -> list[Action]:
    """Those of a bucket that is taken over; the address of one that was created before the project had one. S3 replaces
    all tags at once."""
    names = desired.tags if PROJECT not in current.tags else {SOURCE} & set(desired.tags)
    tags = {name: desired.tags[name] for name in names}
    changes = differences(dict(tags), {name: current.tags.get(name) for name in tags})
    pairs: list[JsonValue] = [{"Key": key, "Value": value} for key, value in {**current.tags, **tags}.items()]
    arguments: dict[str, JsonValue] = {"Bucket": desired.name, "Tagging": {"TagSet": pairs}}
    return [Action("bucket", desired.name, "tag", changes, arguments)] if changes else []


def _settings(desired: Bucket, current: Bucket | None) -> list[Action]:
    return [
        *_ownership(desired, current),
        *_public_access(desired, current),
        *_encryption(desired, current),
        *_versioning(desired, current),
        *_lifecycle(desired, current),
        *_policy(desired, current),
    ]


def _ownership(desired: Bucket, current: Bucket | None) -> Iterator[Action]:
    """A new bucket is created with it."""
    if current is not None and current.ownership != desired.ownership:
        changes = put("object ownership", current.ownership or None, desired.ownership)
        yield _action(desired, "set-ownership", "put-bucket-ownership-controls", changes)


def _public_access(desired: Bucket, current: Bucket | None) -> Iterator[Action]:
    if current is None or current.public_access != desired.public_access:
        open_ = [name for name in desired.public_access or {} if not _blocked(current).get(name)]
        old: JsonValue = None if current is None else f"without {', '.join(open_)}"
        yield _action(desired, "block-public-access", "put-public-access-block", put("public access", old, "blocked"))


def _blocked(current: Bucket | None) -> Mapping[str, JsonValue]:
    return (current.public_access if current else None) or {}


def _encryption(desired: Bucket, current: Bucket | None) -> Iterator[Action]:
    """Without `kms_key` a key that the bucket has is the choice of who set it, and stays."""
    if current is None or not current.encryption or desired.kms_key not in (None, current.kms_key):
        old = (current.kms_key or current.encryption or None) if current else None
        changes = put("encryption", old, desired.kms_key or desired.encryption)
        yield _action(desired, "set-encryption", "put-bucket-encryption", changes)


def _versioning(desired: Bucket, current: Bucket | None) -> Iterator[Action]:
    if current is None or current.versioning != desired.versioning:
        changes = put("versions", (current.versioning or "Disabled") if current else None, desired.versioning)
        yield _action(desired, "set-versioning", "put-bucket-versioning", changes)


def _lifecycle(desired: Bucket, current: Bucket | None) -> Iterator[Action]:
    rules = merged_rules(desired.rules, current.rules if current else ())
    if current is not None and same_rules(rules, current.rules):
        return
    changes = put("lifecycle", (purposes(current.rules) or None) if current else None, purposes(rules))
    arguments: dict[str, JsonValue] = {"LifecycleConfiguration": {"Rules": [dict(rule) for rule in rules]}}
    yield _action(desired, "set-lifecycle", "put-bucket-lifecycle-configuration", changes, arguments)


def _policy(desired: Bucket, current: Bucket | None) -> Iterator[Action]:
    existing = current.policy if current else None
    if desired.policy is None:
        return
    policy = merged_policy(desired.policy, existing)
    if existing is not None and set(map(_text, policy.statements)) == set(map(_text, existing.statements)):
        return
    changes = put("policy", existing.sids if existing else None, policy.sids)
    yield _action(desired, "set-policy", "put-bucket-policy", changes, {"Policy": policy.to_text()})


def _text(statement: object) -> str:
    return repr(statement)


def _action(
    desired: Bucket,
    operation: str,
    request: str,
    changes: tuple[FieldChange, ...],
    arguments: Mapping[str, JsonValue] | None = None,
) -> Action:
    given = {**desired.to_requests()[request], **(arguments or {})}
    return Action("bucket", desired.name, operation, changes, given)


def _setting(call: Callable[..., Mapping[str, Any]], which: Mapping[str, str], key: str) -> Any:
    """A setting of the bucket; None where it has none."""
    from botocore.exceptions import ClientError

    try:
        return call(**which)[key]
    except ClientError as error:
        if code_of(error) in _ABSENT:
            return None
        raise


def _first(answer: Any, *keys: str) -> str:
    """A value of the first rule; "" where there is none."""
    value = (answer or {}).get("Rules", [{}])[0]
    for key in keys:
        value = value.get(key, {})
    return str(value or "")
