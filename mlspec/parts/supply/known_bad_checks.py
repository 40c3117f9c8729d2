"""Whether the project pins a release that is known to be bad. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostics import Finding
from mlspec.sections.package import Package
from mlspec.source import known_bad
from mlspec.source.known_bad import BadRelease
from mlspec.spec.project import Project

CODE = "known-bad-release"


def check(project: Project) -> Iterator[Finding]:
    """Known-bad releases in `package.requirements` and in the project's requirements, constraints and locks."""
    package = project.get(Package)
    for name, release in package.requirements.items() if package is not None else ():
        if bad := known_bad.find(name, release):
            yield Finding(CODE, ("package", "requirements", name), bad.reason(release), _help(bad))
    for pin in project.surroundings.bad_pins:
        if bad := known_bad.find(pin.package, pin.release):
            message = f"{pin.file}:{pin.line} pins a bad release: {bad.reason(pin.release)}"
            yield Finding(CODE, ("project",), message, _help(bad), on="key")


def _help(bad: BadRelease) -> str:
    return f"pin another release; if it was ever installed, replace all credentials of that machine: {bad.link}"
