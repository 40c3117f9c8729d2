from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts.targets import codes

LOG = "monitor: {{log: {}}}\n"


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ("{columns: {sentense: hashed}}", "unknown-input"),
        ("{columns: {sentence: secret}}", "not-one-of"),
        ("{sample: 0}", "out-of-range"),
        ("{flush: 0s}", "bad-format"),
        ("{retention: 12h}", "bad-format"),
    ],
)
def test_faults(log: str, code: str, tmp_path: Path) -> None:
    assert codes(tmp_path, LOG.format(log)) == [code]


@pytest.mark.parametrize(
    "log", ["", "{}", "{inputs: none, columns: {sentence: full}}", "{retention: 1d, flush: 5s, sample: 0.1}"]
)
def test_valid_options(log: str, tmp_path: Path) -> None:
    assert codes(tmp_path, LOG.format(log)) == []


def test_options_that_have_moved_are_read_with_a_warning(tmp_path: Path) -> None:
    moved = "monitor: {elasticsearch: {redact: [sentence], sample: 0.5, low_confidence: 0.7}}\n"
    assert codes(tmp_path, moved) == ["deprecated-key?"] * 3
    twice = "monitor: {log: {sample: 0.1}, elasticsearch: {sample: 0.5}}\n"
    assert codes(tmp_path, twice) == ["conflicting-options", "deprecated-key?"]
