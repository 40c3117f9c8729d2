"""Looks up the digests of the wheels in `serving_pins.py` and writes `serving_hashes.txt`. After a change of a pin:

python -m tests.serving_hashes
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile

from mlspec.parts.package import serving_hashes, serving_pins
from mlspec.parts.package.wheels import platforms

ABOUT = "# SHA-256 of the wheels of each pin for x86-64 and arm64: RELEASE PYTHON DIGEST... `python -m tests.serving_hashes` writes it.\n"


def digests(python: str, architecture: str) -> dict[str, str]:
    """Release to the digest of the wheel that pip installs on that machine."""
    releases = serving_pins.requirements(python, True, elasticsearch=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--report", "-", "--target", folder]
        command += ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--python-version", python]
        command += [word for name in platforms(architecture) for word in ("--platform", name)]
        command += [f"{name}=={release}" for name, release in releases.items()]
        report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    wheels = {
        w["metadata"]["name"].replace("_", "-").lower(): w["download_info"]["archive_info"] for w in report["install"]
    }
    return {f"{name}=={release}": wheels[name]["hashes"]["sha256"] for name, release in releases.items()}


def main() -> None:
    """Write the file: one line for a wheel of all Pythons, else one for each."""
    pythons = serving_pins.pythons()
    known: dict[str, dict[str, tuple[str, ...]]] = {}
    for python in pythons:
        both = [digests(python, architecture) for architecture in ("x86_64", "arm64")]
        for release in both[0]:
            known.setdefault(release, {})[python] = tuple(dict.fromkeys(each[release] for each in both))
    lines = []
    for release, wheels in sorted(known.items()):
        same = len(wheels) == len(pythons) and len(set(wheels.values())) == 1
        rows = {"*": next(iter(wheels.values()))} if same else wheels
        lines += [f"{release} {python} {' '.join(result)}\n" for python, result in rows.items()]
    serving_hashes.FILE.write_text(ABOUT + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
