"""What the callers of the live version would notice of a new one, and the refusal to surprise them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from mlspec.errors import StageError
from mlspec.shipping import deployment, pushing
from mlspec.shipping.alias import Alias
from mlspec.shipping.compatibility import breaking
from mlspec.shipping.record import from_labels
from mlspec.shipping.wanted import Wanted

ALLOWED: Final = "MLSPEC_ALLOW_BREAKING"
"""`apply --allow-breaking` reaches the stages' processes in this environment variable."""


def notice(wanted: Wanted, live: Alias | None, new: Mapping[str, Any] | None) -> list[str]:
    """What breaks between the live version's signature and `new`; nothing where one of the two is not known."""
    if live is None or new is None:
        return []
    before = signature(wanted, deployment.digest(wanted, live.version))
    return breaking(before, new) if before is not None else []


def signature(wanted: Wanted, digest: str) -> dict[str, Any] | None:
    """The signature that an image in the registry carries in its labels."""
    if not digest:
        return None
    ecr = wanted.function.ecr
    return from_labels(pushing.registry_of(wanted.target, ecr).labels(ecr.repository, digest))[1]


def refuse(wanted: Wanted, live: Alias | None) -> None:
    """Raise StageError where the image would break the live version's callers, unless that is allowed."""
    if live is None or os.environ.get(ALLOWED) == "1":
        return
    digest = wanted.digest
    if deployment.digest(wanted, live.version) == digest:
        return
    if found := notice(wanted, live, signature(wanted, digest)):
        raise broken(found)


def broken(found: list[str]) -> StageError:
    """The new version would surprise its callers."""
    message = "the new version breaks those who call the live one: " + "; ".join(found)
    return StageError(message, help="tell the callers, then: mlspec apply --allow-breaking")
