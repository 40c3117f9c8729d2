"""Which keys of a section no stage reads."""

from __future__ import annotations

import pytest

from mlspec.sections.deploy import Deploy, Lambda
from mlspec.sections.monitor import Monitor
from mlspec.sections.package import LambdaZip, Package
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.unread_keys import unread_key


@pytest.mark.parametrize(
    ("section", "key", "unread"),
    [
        (Deploy(iac="terraform"), "serverless.program", "serverless"),
        (Deploy(iac="terraform"), "terraform.backend", ""),
        (Deploy(iac="serverless"), "serverless.program", ""),
        (Deploy(lambda_=Lambda(memory=512)), "lambda.memory", ""),
        (Package(), "docker.user", "docker.user"),
        (Package(), "docker.platform", ""),
        (Package(zip=LambdaZip()), "docker.platform", "docker"),
        (Package(zip=LambdaZip()), "zip.python", ""),
        (Monitor(), "log.columns", "log"),
        (Monitor(), "nothing", ""),
    ],
)
def test_a_key_that_no_stage_reads_with_these_values(section: SpecModel, key: str, unread: str) -> None:
    assert ".".join(unread_key(section, type(section), key.split("."))) == unread


def test_without_values_the_types_decide() -> None:
    assert unread_key(None, Package | None, ["docker", "labels", "team"]) == ("docker", "labels")
    assert unread_key(None, Deploy | None, ["serverless", "program"]) == ()
