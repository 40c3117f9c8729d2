"""The version of a served bundle: given by the package, else the digest that a release records."""

from __future__ import annotations

from pathlib import Path

from mlspec.records.bundle_provenance import bundle_digest, bundle_version
from mlspec.runtime import bundle_version as runtime
from mlspec.runtime.service import load
from tests.bundles import text_bundle


def test_it_is_the_beginning_of_the_digest_that_a_release_records(tmp_path: Path) -> None:
    bundle = text_bundle(tmp_path / "bundle")
    version = runtime.bundle_version(bundle, {})
    assert version == bundle_version(bundle_digest(bundle))
    assert len(version) == runtime.DIGITS
    (bundle / "preprocess" / "more.txt").write_text("x")
    assert runtime.bundle_version(bundle, {}) == bundle_version(bundle_digest(bundle)) != version
    assert runtime.bundle_version(bundle, {"MODEL_VERSION": ""}) != version


def test_what_the_package_says_comes_first(tmp_path: Path) -> None:
    bundle = text_bundle(tmp_path / "bundle")
    runtime.version_file(bundle).write_text("4\n", encoding="utf-8")
    assert runtime.bundle_version(bundle, {}) == "4"
    assert runtime.bundle_version(bundle, {"MODEL_VERSION": "7"}) == "7"


def test_a_folder_without_files_has_no_digest(tmp_path: Path) -> None:
    assert runtime.bundle_version(tmp_path / "none", {}) == "unknown"


def test_the_server_has_it(tmp_path: Path) -> None:
    bundle = text_bundle(tmp_path / "bundle")
    assert load(bundle).contract.version == runtime.bundle_version(bundle, {})
