"""What `--target local` refuses before anything is started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.parts.targets import BASE, EXPORT, LAMBDA
from tests.warm_python import warm_python

ZIP = EXPORT + 'package: {zip: {python: "3.12"}}\ndeploy: {lambda: {region: eu-west-1}}\n'


def apply(folder: Path, text: str, *arguments: str) -> tuple[int, str]:
    (folder / "mlproject.yaml").write_text(BASE + text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLSPEC_")}
    done = subprocess.run(
        [warm_python().python, "-m", "mlspec", "apply", "--yes", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("", ["--target", "local"], "this project has no deployment"),
        (LAMBDA, ["--fault", "error_rate=0.1"], "--fault only works with --target local"),
        (LAMBDA, ["--target", "local", "--fault", "speed=3"], "unknown fault: speed"),
        (LAMBDA, ["--target", "moon"], "'moon' is not one of"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_and_nothing_is_started(
    text: str, arguments: list[str], message: str, tmp_path: Path
) -> None:
    code, err = apply(tmp_path, text, *arguments)
    assert code == 2, err
    assert message in err
    assert not (tmp_path / ".mlspec" / "local").exists()
