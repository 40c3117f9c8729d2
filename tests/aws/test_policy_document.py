"""Policy documents: written in AWS's form, read back equal, and compared with what others have written."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from mlspec.aws.policy_document import PolicyDocument, Statement

FULL = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "A",
            "Effect": "Allow",
            "Principal": {"AWS": ["arn:aws:iam::1:root", "arn:aws:iam::2:root"]},
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": True}, "StringLike": {"aws:sourceArn": ["a", "b"]}},
        },
        {"Effect": "Deny", "Principal": "*", "NotAction": "s3:*", "Resource": ["a", "b"]},
    ],
}


def test_read_and_written_back() -> None:
    document = PolicyDocument.parse(FULL)  # type: ignore[arg-type]
    assert document.to_json() == FULL
    assert list(document.to_json()["Statement"][0]) == list(FULL["Statement"][0])  # type: ignore[index, call-overload, arg-type]
    assert PolicyDocument.parse(document.to_text()) == document
    assert PolicyDocument.parse(quote(document.to_text())) == document
    assert document.actions == ["s3:GetObject", "s3:PutObject"]
    assert document.principals == ["*", "arn:aws:iam::1:root", "arn:aws:iam::2:root"]
    assert document.sids == "A, unnamed"


def test_a_single_statement_needs_no_list() -> None:
    (only,) = PolicyDocument.parse({"Statement": {"Effect": "Allow", "Action": "a", "Resource": "b"}}).statements
    assert only == Statement("a", "b")


@pytest.mark.parametrize(
    "change",
    [{"Effect": "Deny"}, {"Action": ["a"]}, {"Resource": "c"}, {"Sid": "x"}, {"NotAction": "b"},
     {"Condition": {"Bool": {"x": "y"}}}, {"Principal": "*"}],
)  # fmt: skip
def test_any_other_key_is_a_difference(change: dict[str, object]) -> None:
    base = {"Effect": "Allow", "Action": "a", "Resource": "b"}
    one, other = (PolicyDocument.parse(json.dumps({"Statement": [s]})) for s in (base, {**base, **change}))
    assert one != other
