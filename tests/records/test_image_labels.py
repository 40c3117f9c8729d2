from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.records.bundle_provenance import BundleProvenance, read_provenance
from mlspec.records.bundle_signature import SignatureOutput
from mlspec.records.git_commit import Commit
from mlspec.records.image_labels import PROVENANCE_LABEL, SIGNATURE_LABEL, from_labels, labels
from tests.packaged import SIGNATURE

COMMIT = Commit("a" * 40, False, 1_700_000_000, "https://github.com/x/y")


def test_labels_there_and_back(project: Path) -> None:
    release = read_provenance(project, project / "artifacts", COMMIT)
    created = labels(release, SIGNATURE, COMMIT)
    assert from_labels(created) == (release, SIGNATURE)
    assert created["org.opencontainers.image.revision"] == "a" * 40
    assert created["org.opencontainers.image.created"] == "2023-11-14T22:13:20Z"
    assert created["org.opencontainers.image.source"] == "https://github.com/x/y"
    assert created["org.opencontainers.image.version"] == (release.bundle or "")[:12]


@pytest.mark.parametrize("expected", [None, {}, {PROVENANCE_LABEL: "no json", SIGNATURE_LABEL: "[1]"}])
def test_labels_of_another_image(expected: dict[str, str] | None) -> None:
    assert from_labels(expected) == (None, None)


def test_a_newer_record_is_read_as_far_as_it_is_known() -> None:
    assert from_labels({PROVENANCE_LABEL: '{"commit": "c", "colour": "red"}'}) == (BundleProvenance(commit="c"), None)


def test_a_label_that_no_command_line_can_carry_is_left_out() -> None:
    long = SIGNATURE.model_copy(update={"output": SignatureOutput(labels=("x" * 70_000,))})
    assert SIGNATURE_LABEL not in labels(BundleProvenance(), long)
