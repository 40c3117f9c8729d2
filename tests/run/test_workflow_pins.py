"""Actions that are pinned to an older release than mlspec's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.cli.app import main
from mlspec.parts.ci.action_pins import ACTIONS
from mlspec.run.workflow_pins import old_pins
from tests.parts.projects import written

WORKFLOW = """\
jobs:
  a:
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
      - uses: 'actions/cache/restore@v5'
      - name: x
        uses: actions/upload-artifact@v6.9.0
      - uses: actions/setup-python@main
      - uses: actions/setup-python@11bd71901bbe5b1630ceea73d27597364c9af683
      - uses: someone/else@v1
      # uses: actions/checkout@v1
"""


def test_older_releases_are_found_with_their_place(tmp_path: Path) -> None:
    written(tmp_path, {".github/workflows/a.yml": WORKFLOW, ".github/workflows/b.txt": WORKFLOW})
    listed = [(pin.action, pin.release, pin.line) for pin in old_pins(tmp_path)]
    assert listed == [("actions/checkout", "v4.2.2", 4), ("actions/upload-artifact", "v6.9.0", 7)]


def test_mlspecs_own_and_newer_ones_pass(tmp_path: Path) -> None:
    own = "".join(f"      - uses: {name}@{commit} # {release}\n" for name, (commit, release) in ACTIONS.items())
    written(tmp_path, {".github/workflows/a.yaml": own + "      - uses: actions/checkout@v99\n"})
    assert list(old_pins(tmp_path)) == []


def test_doctor_names_them_and_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, {".github/workflows/a.yml": WORKFLOW})
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0, "an old action is no fault of this machine"
    output = capsys.readouterr().out
    assert "old      actions/checkout   v4.2.2 is older than v" in output
    assert "(.github/workflows/a.yml:4): uses: actions/checkout@" in output
