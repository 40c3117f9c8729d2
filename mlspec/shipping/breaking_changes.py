"""Changes that break clients of the live version: found before a deployment, and refused unless they are allowed."""

from __future__ import annotations

from mlspec.aws.alias import Alias
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.release_events import ReleaseHistory
from mlspec.errors import StageError
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.image_labels import from_labels
from mlspec.shipping import image_push
from mlspec.shipping.compatibility import breaking
from mlspec.shipping.deployment import Deployment


def notice(desired: DesiredFunction, live: Alias | None, new: BundleSignature | None) -> list[str]:
    """What breaks between the live version's signature and `new`; nothing where one of the two is not known."""
    if live is None or new is None or _runs_it(live, desired):
        return []
    before = of_version(desired, live.version)
    return breaking(before, new) if before is not None else []


def _runs_it(live: Alias, desired: DesiredFunction) -> bool:
    return bool(desired.digest) and Deployment(desired).digest(live.version) == desired.digest


def of_version(desired: DesiredFunction, number: str) -> BundleSignature | None:
    """The signature of a published version: in the labels of its image, or of a zip in the function's history."""
    if digest := Deployment(desired).digest(number):
        return of_image(desired, digest)
    events = ReleaseHistory(desired.target, desired.name).read()
    noted = [event.signature for event in events if event.kind == "published" and event.version == number]
    return BundleSignature.parse(dict(noted[-1])) if noted else None


def of_image(desired: DesiredFunction, digest: str) -> BundleSignature | None:
    """The signature that an image in the registry carries in its labels."""
    registry = image_push.registry_of(desired.target, desired.spec.location)
    return from_labels(registry.labels(desired.spec.repository, digest))[1]


def refuse(desired: DesiredFunction, live: Alias | None, packed: BundleSignature | None) -> None:
    """Raise StageError where the new version would break clients of the live one. `packed` is the signature of the zip,
    which has no label to carry it."""
    if live is None or _runs_it(live, desired):
        return
    if changes := notice(desired, live, of_image(desired, desired.digest) if desired.digest else packed):
        raise broken(changes)


def broken(changes: list[str]) -> StageError:
    """The refusal to break clients."""
    message = "the new version breaks clients of the live one: " + "; ".join(changes)
    return StageError(message, help="update the clients, then: mlspec apply --allow-breaking")
