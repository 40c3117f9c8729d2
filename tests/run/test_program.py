from __future__ import annotations

import pytest

from mlspec.errors import UsageError
from mlspec.parts.all_parts import PARTS
from mlspec.run.program import execute
from mlspec.stage_context import StageContext
from tests.parts.targets import write

PROGRAMS = sorted({stage for part in PARTS for stage in part.PROGRAMS} - {"data", "train"})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> StageContext:
    """A project with two stages."""
    root = tmp_path_factory.mktemp("two-stages")
    write(root, "train: {}\n")
    return StageContext(root=root)


@pytest.mark.parametrize("stage", PROGRAMS)
def test_a_stage_that_the_project_does_not_have_is_refused(stage: str, built: StageContext) -> None:
    with pytest.raises(UsageError, match=f"this project has no stage `{stage}`") as caught:
        execute(stage, [], built)
    assert caught.value.help is not None
    assert caught.value.help.startswith("its stages: data, train; how to add others: mlspec explain ")


def test_a_stage_beside_another_one_is_one_of_the_project(built: StageContext) -> None:
    with pytest.raises(UsageError, match="this project has no stage `export`"):
        execute("train", ["train.max_epochs=1"], built, beside=["data", "export"])
