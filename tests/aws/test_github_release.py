"""The repository that may release: the spec's, else that of the project's folder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlspec.aws.github_release import github_repository
from mlspec.aws.resource_owner import ResourceOwner
from mlspec.errors import StageError
from tests.aws.functions import OFFLINE


def test_the_spec_decides_and_else_the_folder() -> None:
    here = replace(OFFLINE, owner=ResourceOwner("https://github.com/ada/birds/ml/cola"))
    assert github_repository(here, "") == "ada/birds"
    assert github_repository(here, "octo/fish") == "octo/fish"
    with pytest.raises(StageError) as missing:
        github_repository(replace(OFFLINE, owner=ResourceOwner("https://gitlab.com/ada/birds")), "")
    assert missing.value.help == "set ci.github.repository: OWNER/NAME"


def test_programs_call_an_emulated_account_only_where_there_is_one() -> None:
    assert replace(OFFLINE, endpoint=None).environ == {}
    assert OFFLINE.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"
