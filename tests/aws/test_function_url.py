"""The address of an alias, and who may use it: in an emulated Lambda."""

from __future__ import annotations

from pathlib import Path

from mlspec.aws.alias_permissions import AliasPermissionProvider, public
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.function_url import FunctionUrlProvider
from tests.aws.functions import changes, converge, function


def test_an_address_is_created_changed_and_removed(target: AwsTarget, alias: str, tmp_path: Path) -> None:
    provider = FunctionUrlProvider(target, alias)
    closed = function(target, tmp_path, "{url: true}").spec.url()
    assert provider.read("cola") is None
    assert converge(provider, "cola", closed) == ["+ function url cola:live: AWS_IAM"]
    assert changes(provider, "cola", closed) == []
    opened = function(target, tmp_path, "{url: {auth: none, cors_origins: ['https://example.org']}}").spec.url()
    lines = converge(provider, "cola", opened)
    assert lines[0] == "~ function url cola:live AuthType: AWS_IAM -> NONE"
    assert "https://example.org" in lines[1]
    existing = provider.read("cola")
    assert existing is not None
    assert (existing.auth, existing.cors.origins) == ("NONE", ("https://example.org",))
    assert converge(provider, "cola", None) == [f"- function url cola:live: {existing.url}"]
    assert provider.read("cola") is None
    assert changes(provider, "cola", None) == []


def test_a_public_address_has_two_statements_and_others_stay(target: AwsTarget, alias: str) -> None:
    provider = AliasPermissionProvider(target, alias)
    assert provider.read("cola") is None
    target.client("lambda").add_permission(
        FunctionName="cola", Qualifier=alias, StatementId="own", Principal="s3.amazonaws.com",
        Action="lambda:InvokeFunction",
    )  # fmt: skip
    desired = public("cola", alias)
    assert converge(provider, "cola", desired) == [
        "+ permission of cola mlspec-url: anyone, lambda:InvokeFunctionUrl",
        "+ permission of cola mlspec-url-invoke: anyone, lambda:InvokeFunction",
    ]
    assert changes(provider, "cola", desired) == []
    assert [line[0] for line in converge(provider, "cola", None)] == ["-", "-"]
    existing = provider.read("cola")
    assert existing is not None
    assert list(existing.statements) == ["own"]
