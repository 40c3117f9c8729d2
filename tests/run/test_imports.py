"""Imports without the garbage collector leave it as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from mlspec.run.imports import without_collection


@pytest.fixture(autouse=True)
def _unfrozen() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


def test_garbage_is_collected_again_afterwards() -> None:
    gc.unfreeze()
    with without_collection():
        assert not gc.isenabled()
        created = [[at] for at in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(created)


def test_garbage_is_collected_again_after_a_failed_import() -> None:
    with pytest.raises(ModuleNotFoundError), without_collection():
        import a_module_that_does_not_exist  # type: ignore[import-not-found]  # noqa: F401
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with without_collection():
        pass
    assert not gc.isenabled()
