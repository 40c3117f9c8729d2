"""requirements-serve.lock: text to mapping and back."""

from __future__ import annotations

import pytest

from mlspec.errors import MlspecError
from mlspec.source.hash_lock import dump, parse, requirements

A, B = "a" * 64, "b" * 64


def test_there_and_back() -> None:
    digests = {"scipy==1.17.0": (A, B), "acme-stats==2.0+local": (A,)}
    assert parse(dump(digests)) == digests
    assert requirements(dump(digests)) == digests
    assert dump(digests) == dump(dict(reversed(digests.items())))


def test_a_release_without_a_hash_has_none() -> None:
    assert parse("scipy==1.17.0\n") == {}
    assert requirements("scipy==1.17.0 ; python_version > '3.11'\n-e .\nother>=2\n") == {"scipy==1.17.0": ()}


@pytest.mark.parametrize(
    "line", ["scipy", "--hash=sha256:" + A, "scipy==1 --hash=md5:1", "scipy @ https://x", "<<<<<<< HEAD"]
)
def test_a_damaged_lock(line: str) -> None:
    with pytest.raises(MlspecError, match=r"requirements-serve\.lock:2: expected") as error:
        parse(f"# comment\n{line}\n")
    assert error.value.code == "broken-lock"
    assert error.value.help == "delete requirements-serve.lock, then: mlspec lock"
