"""Files that a kill left incomplete are repaired."""

from __future__ import annotations

from pathlib import Path

from mlspec.dvc.project_state import remember, repair


def lock(root: Path, text: str) -> Path:
    (root / ".mlspec").mkdir(exist_ok=True)
    (root / "dvc.lock").write_text(text)
    return root / "dvc.lock"


WHOLE = "schema: '2.0'\nstages:\n  a:\n    cmd: mlspec run a\n"


def test_a_torn_lock_is_restored_to_the_last_complete_one(tmp_path: Path) -> None:
    path = lock(tmp_path, WHOLE)
    remember(tmp_path)
    rows = "    outs:\n    - path: out/a\n      hash: md5\n"
    for torn in (
        WHOLE[:-1],
        WHOLE + "  b:\n",
        WHOLE + "    outs:\n",
        WHOLE + rows,
        "",
        "schema: '2.0'\nstages:\n  a:\n    cmd: 'mls",
        "\0\0",
        "[]",
    ):
        path.write_text(torn)
        repair(tmp_path)
        assert path.read_text() == WHOLE


def test_a_torn_lock_without_a_copy_is_removed(tmp_path: Path) -> None:
    path = lock(tmp_path, "stages: {")
    repair(tmp_path)
    assert not path.exists()


def test_a_whole_lock_is_left_alone(tmp_path: Path) -> None:
    path = lock(tmp_path, WHOLE)
    remember(tmp_path)
    path.write_text(WHOLE + "  b: {cmd: x}\n")
    repair(tmp_path)
    assert path.read_text().endswith("b: {cmd: x}\n")
