"""Published versions: which one equals the function as it is, and when two versions behave alike."""

from __future__ import annotations

from typing import Any

import pytest

from mlspec.aws.alias import Alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.published_version import LATEST, PublishedVersion, VersionProvider, current_version, publish_action


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("CodeSha256", "a", "b"),
        ("Timeout", 3, 4),
        ("MemorySize", 128, 256),
        ("Role", "a", "b"),
        ("Environment", {"Variables": {"A": "1"}}, None),
        ("VpcConfig", {"SubnetIds": ["a"]}, None),
        ("ImageConfigResponse", {"ImageConfig": {"Command": ["a"]}}, {"ImageConfig": {"Command": ["b"]}}),
    ],
)
def test_versions_that_differ(key: str, one: Any, other: Any) -> None:
    base = {"CodeSha256": "a", "Timeout": 3, "Description": "first"}
    more = {"Description": "second", "RevisionId": "9"}
    configs = ({**base, key: one}, {**base, key: one, **more}, {**base, key: other})
    first, same, different = (PublishedVersion.from_response(config).behaviour for config in configs)
    assert first == same
    assert first != different


def versions(**behaviours: str) -> dict[str, PublishedVersion]:
    """Versions `vN` and `latest` by their code."""
    names = {name: LATEST if name == "latest" else name[1:] for name in behaviours}
    configs = {names[name]: {"Version": names[name], "CodeSha256": code} for name, code in behaviours.items()}
    return {number: PublishedVersion.from_response(config) for number, config in configs.items()}


@pytest.mark.parametrize(
    ("published", "live", "expected"),
    [
        (versions(latest="a"), None, None),
        (versions(v1="a", latest="a"), None, "1"),
        (versions(v1="a", v2="b", latest="a"), None, None),
        (versions(v1="a", v2="b", latest="a"), Alias("live", "1"), "1"),
        (versions(v1="a", v2="a", latest="a"), Alias("live", "1"), "1"),
        (versions(v1="a", v10="b", v9="c", latest="b"), Alias("live", "9"), "10"),
        (versions(v1="a", v2="b", v3="c", latest="b"), Alias("live", "1", "2", 0.1), "2"),
        ({}, Alias("live", "1"), None),
    ],
)
def test_the_live_version_or_the_newest(
    published: dict[str, PublishedVersion], live: Alias | None, expected: str | None
) -> None:
    assert current_version(published, live) == expected


def test_read_and_published(target: AwsTarget, alias: str) -> None:
    provider = VersionProvider(target)
    assert provider.read("none") == {}
    assert set(provider.read("cola")) == {LATEST, "1"}
    target.client("lambda").update_function_configuration(FunctionName="cola", MemorySize=512)
    number = provider.apply(publish_action("cola", "second"))["version"]
    version = provider.read("cola")[number]
    assert (number, version.function.memory, version.function.description) == ("2", 512, "second")
    assert version.modified
