"""Every pinned package has the hashes of its wheels, and one with another hash is not installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlspec.errors import StageError
from mlspec.parts.package import serving_pins, wheels
from mlspec.parts.package.serving_hashes import hashes
from mlspec.source.hash_lock import requirement
from tests.parts.targets import build

EXPORT = "train:\nexport:\n"


@pytest.mark.parametrize("python", serving_pins.pythons())
def test_every_pin_has_a_wheel_for_both_processors(python: str) -> None:
    for name, release in serving_pins.requirements(python, True, elasticsearch=True).items():
        digests = hashes(f"{name}=={release}", python)
        assert 1 <= len(digests) <= 2, name
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)
    for binary in ("onnxruntime", "orjson"):
        release = serving_pins.requirements(python, False)[binary]
        assert len(hashes(f"{binary}=={release}", python)) == 2


def test_a_build_has_hashes_of_all_packages_or_of_none(tmp_path: Path) -> None:
    def texts(package: str) -> tuple[str, str, list[str]]:
        built = build(tmp_path, f"{EXPORT}package: {package}\n")
        files = {file.path: file.text for file in built.files}
        return files["requirements-serve.txt"], files["Dockerfile"], [w.code for w in built.warnings]

    requirements, dockerfile, warnings = texts("{docker: {}}")
    assert requirements.count("==") == len(re.findall(r"== *\S+ \\\n +--hash", requirements))
    assert "--require-hashes" in dockerfile
    assert warnings == []
    more = '{requirements: {scipy: "1.17.0"}}'
    requirements, dockerfile, warnings = texts(more)
    assert "--hash" not in requirements
    assert "--require-hashes" not in dockerfile
    assert warnings == ["package-without-hash"]
    (tmp_path / "requirements-serve.lock").write_text(
        f"scipy==1.17.0 \\\n    --hash=sha256:{'a' * 64}\n", encoding="utf-8"
    )
    requirements, dockerfile, warnings = texts(more)
    assert f"scipy==1.17.0 \\\n    --hash=sha256:{'a' * 64}" in requirements
    assert "--require-hashes" in dockerfile
    assert warnings == []


@pytest.mark.slow
def test_a_wheel_with_another_hash_is_not_installed(tmp_path: Path) -> None:
    file, pin = (
        tmp_path / "requirements.txt",
        f"six=={serving_pins.requirements('3.11', False, elasticsearch=True)['six']}",
    )
    file.write_text(requirement(pin, hashes(pin, "3.11")) + "\n", encoding="utf-8")
    wheels.install(file, tmp_path / "right", "3.11", "x86_64")
    assert (tmp_path / "right" / "six.py").is_file()
    file.write_text(requirement(pin, ["0" * 64]) + "\n", encoding="utf-8")
    with pytest.raises(StageError, match=r"a package is not the one whose hash is in requirements-serve\.txt"):
        wheels.install(file, tmp_path / "wrong", "3.11", "x86_64")
    assert not (tmp_path / "wrong" / "six.py").exists()
