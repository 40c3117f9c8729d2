from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import MlspecError
from mlspec.source.dockerfile_lock import FILE, PinnedBase, dump, parse, pinned
from tests.parts.targets import BASE, PACKAGE

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
PYTHON = "python:3.11-slim-bookworm"


def test_there_and_back() -> None:
    known = {PYTHON: PinnedBase(ONE), "localhost:5000/base:1": PinnedBase(TWO, "2026-11-29")}
    assert parse(dump(known)) == known
    assert parse("") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{PYTHON}\n", r"Dockerfile.lock:1: expected NAME@sha256:DIGEST"),
        (f"\n{PYTHON}@sha256:12\n", r"Dockerfile.lock:2: expected NAME"),
        ("<<<<<<< ours\n", r"Dockerfile.lock:1: expected NAME"),
        (f"a b@{ONE}\n", r"Dockerfile.lock:1: expected NAME"),
        (f"{PYTHON}@{ONE} AS x\n", r"Dockerfile.lock:1: expected NAME"),
        (f"{PYTHON}@{ONE}\n{PYTHON}@{TWO}\n", r"Dockerfile.lock:2: python:3.11-slim-bookworm has a second digest"),
    ],
)
def test_an_error_is_reported_with_its_line(text: str, message: str) -> None:
    with pytest.raises(MlspecError, match=message) as caught:
        parse(text)
    assert caught.value.code == "broken-lock"


def test_a_base_with_a_digest_of_its_own_keeps_it() -> None:
    assert pinned(f"{PYTHON}@{ONE}", {PYTHON: PinnedBase(TWO)}) == f"{PYTHON}@{ONE}"
    assert pinned(PYTHON, {PYTHON: PinnedBase(TWO)}) == f"{PYTHON}@{TWO}"
    assert pinned("other:1", {PYTHON: PinnedBase(TWO)}) == "other:1"


def test_the_dockerfile_is_based_on_the_locked_digest(tmp_path: Path) -> None:
    (tmp_path / "mlproject.yaml").write_text(BASE + PACKAGE)

    def froms() -> list[str]:
        built = compile_project(tmp_path / "mlproject.yaml")
        text = next(f for f in built.files if f.path == "Dockerfile").text
        return [line.split()[1] for line in text.splitlines() if line.startswith("FROM ")]

    assert froms() == [PYTHON] * 3
    (tmp_path / FILE).write_text(dump({PYTHON: PinnedBase(ONE)}))
    assert froms() == [f"{PYTHON}@{ONE}"] * 3
