"""A key of AWS KMS that the spec names by its ARN or that of an alias, and rights on it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import JsonValue

from mlspec.aws.policy_document import Statement

READ: Final = ("Decrypt",)
WRITE: Final = ("Decrypt", "GenerateDataKey")
"""An upload in parts reads the parts before it
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html)."""


def key_region(key: str) -> str:
    """The region of a key."""
    return key.split(":")[3]


def key_rights(key: str, actions: Iterable[str], service: str = "") -> Statement:
    """A statement that allows KMS's `actions` on a key, for requests of an AWS service alone where one is named.

    A policy names no alias: the statement is about all keys that have it
    (https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html).
    """
    on, _, alias = key.partition(":alias/")
    suffix = ".cn" if key.startswith("arn:aws-cn:") else ""
    condition: dict[str, Mapping[str, JsonValue]] = {}
    if service:
        via = f"{service}.{key_region(key)}.amazonaws.com{suffix}"
        condition["StringEquals"] = {"kms:ViaService": via}
    if alias:
        condition["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": f"alias/{alias}"}
    resource = f"{on}:key/*" if alias else key
    return Statement(tuple(f"kms:{action}" for action in actions), resource, "Key", condition=condition)
