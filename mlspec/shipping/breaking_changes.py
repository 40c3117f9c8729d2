"""What the callers of the live version would notice of a new one, and the refusal to surprise them."""

from __future__ import annotations

from mlspec.aws.alias import Alias
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.release_events import ReleaseHistory
from mlspec.errors import StageError
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.image_labels import from_labels
from mlspec.shipping import deployment, image_push
from mlspec.shipping.compatibility import breaking


def notice(wanted: DesiredFunction, live: Alias | None, new: BundleSignature | None) -> list[str]:
    """What breaks between the live version's signature and `new`; nothing where one of the two is not known."""
    if live is None or new is None or _runs_it(live, wanted):
        return []
    before = of_version(wanted, live.version)
    return breaking(before, new) if before is not None else []


def _runs_it(live: Alias, wanted: DesiredFunction) -> bool:
    return bool(wanted.digest) and deployment.digest(wanted, live.version) == wanted.digest


def of_version(wanted: DesiredFunction, number: str) -> BundleSignature | None:
    """The signature of a published version: in the labels of its image, or of a zip in the function's history."""
    if digest := deployment.digest(wanted, number):
        return of_image(wanted, digest)
    events = ReleaseHistory(wanted.target, wanted.function.name).read()
    noted = [event.signature for event in events if event.kind == "published" and event.version == number]
    return BundleSignature.parse(dict(noted[-1])) if noted else None


def of_image(wanted: DesiredFunction, digest: str) -> BundleSignature | None:
    """The signature that an image in the registry carries in its labels."""
    ecr = wanted.function.ecr
    return from_labels(image_push.registry_of(wanted.target, ecr).labels(ecr.repository, digest))[1]


def refuse(wanted: DesiredFunction, live: Alias | None, packed: BundleSignature | None) -> None:
    """Raise StageError where the new version would break the live one's callers. `packed` is the signature of the
    zip, which has no label to carry it."""
    if live is None or _runs_it(live, wanted):
        return
    if found := notice(wanted, live, of_image(wanted, wanted.digest) if wanted.digest else packed):
        raise broken(found)


def broken(found: list[str]) -> StageError:
    """The new version would surprise its callers."""
    message = "the new version breaks those who call the live one: " + "; ".join(found)
    return StageError(message, help="tell the callers, then: mlspec apply --allow-breaking")
