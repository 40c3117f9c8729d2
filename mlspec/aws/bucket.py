"""A bucket in Amazon S3 as a value: private, encrypted, with versions. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.aws.resource_tags import tags, to_pairs
from mlspec.sections.bucket import BucketSpec

ABORT_UPLOADS: Final = "abort-incomplete-uploads"
EXPIRE_REPLACED: Final = "expire-replaced-objects"
TLS_ONLY: Final = "TlsOnly"
"""The id of the statement that refuses requests without TLS."""
ENFORCED: Final = "BucketOwnerEnforced"
"""No object has an access control list: policies alone decide."""
PRIVATE: Final[Mapping[str, JsonValue]] = {
    "BlockPublicAcls": True,
    "BlockPublicPolicy": True,
    "IgnorePublicAcls": True,
    "RestrictPublicBuckets": True,
}
"""No access control list and no policy makes the bucket public."""
_INCOMPLETE: Final = 7
"""Days after which an upload counts as given up."""
_REPLACED: Final = ("NoncurrentDays", "NoncurrentVersionExpiration")
_NO_LOCATION: Final = "us-east-1"
"""The region that CreateBucket takes where none is given, and does not accept by name."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket: as the spec describes it, or as it is in the account."""

    name: str
    location: AwsLocation
    tags: Mapping[str, str]
    rules: tuple[Mapping[str, JsonValue], ...]
    """Its lifecycle, in S3's form."""
    policy: PolicyDocument | None
    encryption: str = "AES256"
    kms_key: str | None = None
    """The key of the encryption `aws:kms`."""
    versioning: str = "Enabled"
    ownership: str = ENFORCED
    public_access: Mapping[str, JsonValue] | None = None
    """The settings that block public access; None for none of one that exists."""

    @property
    def arn(self) -> str:
        """Its ARN."""
        return bucket_arn(self.location.partition, self.name)

    @property
    def tag_pairs(self) -> list[JsonValue]:
        """The tags in S3's form."""
        return [dict(pair) for pair in to_pairs(self.tags)]

    @property
    def encryption_rule(self) -> dict[str, JsonValue]:
        """The encryption of new objects in S3's form. With a bucket key, few requests reach a key of AWS KMS."""
        if self.kms_key is None:
            return {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": self.encryption}}
        default: JsonValue = {"SSEAlgorithm": self.encryption, "KMSMasterKeyID": self.kms_key}
        return {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}

    def to_request(self) -> dict[str, JsonValue]:
        """Input of `aws s3api create-bucket`. With its tags from the beginning: one whose creation is interrupted has
        an owner."""
        region = self.location.region
        where: dict[str, JsonValue] = {"LocationConstraint": region} if region != _NO_LOCATION else {}
        return {
            "Bucket": self.name,
            "ObjectOwnership": self.ownership,
            "CreateBucketConfiguration": {**where, "Tags": self.tag_pairs},
        }

    def to_requests(self) -> dict[str, dict[str, JsonValue]]:
        """The settings in the order in which they are made: name of the operation of `aws s3api`, and its input."""
        which: dict[str, JsonValue] = {"Bucket": self.name}
        encrypted: JsonValue = {"Rules": [self.encryption_rule]}
        owned: JsonValue = {"Rules": [{"ObjectOwnership": self.ownership}]}
        settings: dict[str, dict[str, JsonValue]] = {
            "put-bucket-tagging": {"Tagging": {"TagSet": self.tag_pairs}},
            "put-bucket-ownership-controls": {"OwnershipControls": owned},
            "put-public-access-block": {"PublicAccessBlockConfiguration": dict(self.public_access or {})},
            "put-bucket-encryption": {"ServerSideEncryptionConfiguration": encrypted},
            "put-bucket-versioning": {"VersioningConfiguration": {"Status": self.versioning}},
            "put-bucket-lifecycle-configuration": {
                "LifecycleConfiguration": {"Rules": [dict(rule) for rule in self.rules]}
            },
        }
        if self.policy is not None:
            settings["put-bucket-policy"] = {"Policy": self.policy.to_text()}
        return {operation: which | given for operation, given in settings.items()}


def bucket_arn(partition: str, name: str) -> str:
    """The ARN of a bucket, which names no region and no account."""
    return f"arn:{partition}:s3:::{name}"


def bucket(name: str, options: BucketSpec, location: AwsLocation, project: str, source: str = "") -> Bucket:
    """The bucket that the section `bucket` describes."""
    return Bucket(
        name=name,
        location=location,
        tags=tags(project, source),
        rules=lifecycle(options.keep_replaced),
        policy=PolicyDocument((tls_only(location.partition, name),)),
        encryption="aws:kms" if options.kms_key else "AES256",
        kms_key=options.kms_key,
        public_access=PRIVATE,
    )


def lifecycle(days: int) -> tuple[Mapping[str, JsonValue], ...]:
    """The rules of the lifecycle: parts of uploads that were given up, and later what was deleted or replaced.

    A file of DVC never changes; but `dvc gc --cloud` deletes some, and other objects are replaced.
    """
    everything: JsonValue = {"Prefix": ""}
    return (
        {
            "ID": ABORT_UPLOADS,
            "Status": "Enabled",
            "Filter": everything,
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _INCOMPLETE},
        },
        {
            "ID": EXPIRE_REPLACED,
            "Status": "Enabled",
            "Filter": everything,
            "Expiration": {"ExpiredObjectDeleteMarker": True},
            "NoncurrentVersionExpiration": {"NoncurrentDays": days},
        },
    )


def tls_only(partition: str, name: str) -> Statement:
    """The statement that refuses every request without TLS."""
    arn = bucket_arn(partition, name)
    insecure: Mapping[str, Mapping[str, JsonValue]] = {"Bool": {"aws:SecureTransport": "false"}}
    return Statement("s3:*", (arn, f"{arn}/*"), TLS_ONLY, "*", insecure, "Deny")


def purposes(rules: Iterable[Mapping[str, JsonValue]]) -> str:
    """What the rules of a lifecycle are for, for a person."""
    return ", ".join(f"{rule.get('ID') or 'unnamed'}{_after(rule)}" for rule in rules)


def _after(rule: Mapping[str, JsonValue]) -> str:
    for days, key in (("DaysAfterInitiation", "AbortIncompleteMultipartUpload"), _REPLACED):
        given = rule.get(key)
        if isinstance(given, dict) and days in given:
            return f" after {given[days]} days"
    return ""


def merged_rules(
    desired: Sequence[Mapping[str, JsonValue]], current: Sequence[Mapping[str, JsonValue]]
) -> tuple[Mapping[str, JsonValue], ...]:
    """The desired rules, and after them those of a bucket that have other ids."""
    own = {rule["ID"] for rule in desired}
    return (*desired, *(rule for rule in current if rule.get("ID") not in own))


def merged_policy(desired: PolicyDocument, current: PolicyDocument | None) -> PolicyDocument:
    """The desired statements, and after them those of a bucket that have other ids."""
    own = {statement.sid for statement in desired.statements}
    others = tuple(one for one in (current.statements if current else ()) if one.sid not in own)
    return PolicyDocument((*desired.statements, *others))


def same_rules(one: Iterable[Mapping[str, JsonValue]], other: Iterable[Mapping[str, JsonValue]]) -> bool:
    """Whether two lifecycles have the same rules, in whatever order: S3 chooses one."""
    return _comparable(one) == _comparable(other)


def _comparable(rules: Iterable[Mapping[str, JsonValue]]) -> list[str]:
    """A rule for all objects has an empty filter, an empty prefix, or neither."""
    everything: tuple[JsonValue, ...] = ({}, {"Prefix": ""}, "", None)
    return sorted(
        json.dumps(
            {key: value for key, value in rule.items() if not _is_everything(key, value, everything)}, sort_keys=True
        )
        for rule in rules
    )


def _is_everything(key: str, value: JsonValue, everything: tuple[JsonValue, ...]) -> bool:
    return key in ("Filter", "Prefix") and value in everything


def unknown_parts(desired: Bucket, current: Bucket) -> list[str]:
    """What a bucket has and a tool would remove that describes it as a whole: rules and statements with other ids, and
    a key for its encryption."""
    rules, statements = {rule["ID"] for rule in desired.rules}, {one.sid for one in _statements(desired)}
    return [
        *(
            f"the lifecycle rule {rule.get('ID') or 'without an id'}"
            for rule in current.rules
            if rule.get("ID") not in rules
        ),
        *(
            f"the policy statement {one.sid or 'without an id'}"
            for one in _statements(current)
            if one.sid not in statements
        ),
        *([f"the encryption {current.encryption}"] if _is_key_lost(desired, current) else []),
    ]


def _is_key_lost(desired: Bucket, current: Bucket) -> bool:
    """Whether new objects would no longer be encrypted with the key of AWS KMS that they have now."""
    chosen = current.encryption not in ("", "AES256")
    return chosen and (current.encryption, current.kms_key) != (desired.encryption, desired.kms_key)


def _statements(one: Bucket) -> tuple[Statement, ...]:
    return one.policy.statements if one.policy else ()


_READ: Final = (
    "GetBucketOwnershipControls", "GetBucketPolicy", "GetBucketPublicAccessBlock",
    "GetBucketTagging", "GetBucketVersioning", "GetEncryptionConfiguration", "GetLifecycleConfiguration", "ListBucket",
)  # fmt: skip
_WRITE: Final = (
    "CreateBucket", "PutBucketOwnershipControls", "PutBucketPolicy", "PutBucketPublicAccessBlock", "PutBucketTagging",
    "PutBucketVersioning", "PutEncryptionConfiguration", "PutLifecycleConfiguration", "TagResource",
)  # fmt: skip
_DELETE: Final = ("DeleteBucket", "GetBucketTagging", "ListBucket", "ListBucketVersions")


def admin_policy(partition: str, name: str) -> PolicyDocument:
    """Rights of the stage `bucket`: create this one bucket and configure it, and none on what is in it."""
    return PolicyDocument((_rights("Bucket", partition, name, (*_READ, *_WRITE)),))


def removal_rights(partition: str, name: str) -> Statement:
    """Rights of `mlspec destroy`: delete the bucket once it is empty."""
    return _rights("Bucket", partition, name, _DELETE)


def _rights(sid: str, partition: str, name: str, actions: Iterable[str]) -> Statement:
    return Statement(tuple(f"s3:{action}" for action in sorted(actions)), bucket_arn(partition, name), sid)
