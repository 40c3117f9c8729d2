"""Releases of packages that attackers published, or that are dangerous for another reason. Pure; a dated list.

To add one: a row with the advisory's link, and the new date of the list. Only releases that machine-learning projects
install; hashes and the waiting period of `mlspec lock` protect from those that are not known yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

DATE: Final = date(2026, 11, 27)
"""When the list was last brought up to date."""


class BadRelease(NamedTuple):
    """A package, the releases, what they do, when they were published, and where to read more."""

    package: str
    releases: tuple[str, ...]
    effect: str
    published: date
    link: str

    def reason(self, release: str) -> str:
        """`lightning 2.6.2 steals credentials (published 2026-04-30)`."""
        return f"{self.package} {release} {self.effect} (published {self.published})"


_LIGHTNING: Final = "https://github.com/Lightning-AI/pytorch-lightning/security/advisories/GHSA-w37p-236h-pfx3"
_STEALS: Final = "steals the credentials of the machine"
_DOWNLOADS: Final = "downloads and runs a program of the attacker on import"
RELEASES: Final = (
    BadRelease("embiggen", ("0.11.97",), _STEALS, date(2026, 6, 8),
               "https://github.com/ossf/malicious-packages/pull/1299"),
    BadRelease("guardrails-ai", ("0.10.1",), _DOWNLOADS, date(2026, 5, 12),
               "https://github.com/guardrails-ai/guardrails/issues/1473"),
    BadRelease("lightning", ("2.6.2", "2.6.3"), _STEALS, date(2026, 4, 30), _LIGHTNING),
    BadRelease("litellm", ("1.82.7", "1.82.8"), _STEALS, date(2026, 3, 24),
               "https://github.com/BerriAI/litellm/issues/24518"),
    BadRelease("mistralai", ("2.4.6",), _DOWNLOADS, date(2026, 5, 12),
               "https://github.com/mistralai/client-python/issues/523"),
    BadRelease("pytorch-lightning", ("2.6.2", "2.6.3"), _STEALS, date(2026, 4, 30), _LIGHTNING),
    BadRelease("ultralytics", ("8.3.41", "8.3.42", "8.3.45", "8.3.46"), "runs a cryptocurrency miner",
               date(2024, 12, 5), "https://github.com/ultralytics/ultralytics/issues/18027"),
    BadRelease("xinference", ("2.6.0", "2.6.1", "2.6.2"), _STEALS, date(2026, 4, 22),
               "https://github.com/xorbitsai/inference/issues/4828"),
)  # fmt: skip
"""By name of the package."""

FILES: Final = (
    "requirements.txt", "constraints.txt", "requirements-train.lock", "requirements-release.lock",
    "requirements-monitor.lock", "requirements-retrain.lock", "requirements-serve.lock", "requirements-textattack.lock",
)  # fmt: skip
"""Files of a project that pin releases."""
_PIN: Final = re.compile(r"^[ \t]*([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]\n]*\])?[ \t]*===?[ \t]*([0-9][^\s;\\,#]*)")


class BadPin(NamedTuple):
    """A known-bad release that a line of a file pins."""

    file: str
    line: int
    package: str
    release: str


def find(package: str, release: str) -> BadRelease | None:
    """The entry of a release; None if it is not known to be bad."""
    name = re.sub(r"[-_.]+", "-", package).lower()
    return next((bad for bad in RELEASES if bad.package == name and release in bad.releases), None)


def pins(file: str, text: str) -> Iterator[BadPin]:
    """The known-bad releases that a requirements file pins exactly."""
    for number, line in enumerate(text.splitlines(), 1):
        if (pin := _PIN.match(line)) is not None and (bad := find(pin[1], pin[2])) is not None:
            yield BadPin(file, number, bad.package, pin[2])
