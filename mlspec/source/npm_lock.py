"""`serverless/package-lock.json`: the packages that npm installs for the Serverless Framework. Text to values.

The format is npm's own, version 3 (docs.npmjs.com, package-lock.json).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlspec.errors import MlspecError

FOLDER: Final = "serverless"
FILE: Final = f"{FOLDER}/package-lock.json"
_HELP: Final = f"delete {FILE}, then: mlspec lock"


@dataclass(frozen=True)
class NpmLock:
    """What the lock was made for, and what it installs."""

    required: Mapping[str, str]
    """Package to the release that package.json asks for."""
    packages: tuple[str, ...]
    """Every package as `name@release`."""
    unhashed: tuple[str, ...]
    """Those of them without a digest."""
    addresses: tuple[str, ...] = ()
    """Those of them with the address that they were downloaded from: npm would use no other registry."""

    def fault(self, requirement: str) -> str:
        """Why `npm ci` would not install exactly `name@release` with verified packages; "" if it does."""
        name, _, release = requirement.rpartition("@")
        locked = self.required.get(name)
        if locked != release or requirement not in self.packages:
            return f"{FILE} is for {name} {locked or 'of no release'}, and package.json asks for {release}"
        if self.unhashed:
            return f"{FILE} has no hash of {', '.join(self.unhashed[:3])}"
        return f"{FILE} has the address of a registry for {self.addresses[0]}" if self.addresses else ""


def package_json(name: str, release: str) -> str:
    """The package.json that the lock is for."""
    about = f"`npm ci --prefix {FOLDER}` installs what package-lock.json has, which `mlspec lock` writes."
    content = {"name": "delivery", "description": about, "private": True, "dependencies": {name: release}}
    return json.dumps(content, indent=2) + "\n"


def parse(text: str) -> NpmLock:
    """The lock. Raises MlspecError if the file is invalid."""
    try:
        listed = json.loads(text)["packages"]
        required = dict(listed[""].get("dependencies", {}))
        installed = {path: entry for path, entry in listed.items() if path and not entry.get("link")}
        names = {path: f"{path.rpartition('node_modules/')[2]}@{entry['version']}" for path, entry in installed.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MlspecError(f"{FILE} is not a lock of npm (version 3)", help=_HELP, code="broken-lock") from None
    bare = [names[path] for path, entry in installed.items() if not entry.get("integrity")]
    with_address = [names[path] for path, entry in installed.items() if entry.get("resolved")]
    return NpmLock(required, tuple(names.values()), tuple(bare), tuple(with_address))
