"""What was packaged, verified and shipped, as rows: `image.json`, and the newer of `release.json` and a rehearsal's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.records.packaged import LockedCheck, PackagedImage, PackagedZip, ZipProof, find_packaged
from mlspec.records.release import RehearsedRelease, Release, RolloutEvent
from mlspec.render.formatting import number, plural, seconds, size

Fact = tuple[str, str]
_LATEST: Final = 1e11
"""Seconds since 1970: a later time is not one that a rollout wrote."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """The records; None where there is none."""

    packaged: PackagedImage | PackagedZip | None = None
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of a version: `kind` is good, bad or info."""

    when: str
    share: str
    what: str
    why: str
    kind: str


@dataclass(frozen=True, slots=True)
class ShippingView:
    """The section's content."""

    packed: tuple[Fact, ...]
    placed: tuple[Fact, ...]
    moments: tuple[Moment, ...]
    rehearsed: bool
    zip: bool


def shipped(artifacts: Path) -> Shipped:
    """The records in `artifacts`; of two releases the one that was written last."""
    files = {kind: artifacts / kind.FILE for kind in (Release, RehearsedRelease)}
    times = {kind: path.stat().st_mtime for kind, path in files.items() if path.is_file()}
    latest = max(times, key=lambda kind: times[kind], default=None)
    return Shipped(find_packaged(artifacts), latest.find(artifacts) if latest else None)


def view(shipped: Shipped) -> ShippingView | None:
    """The section; None where nothing was packaged."""
    packaged, release = shipped.packaged, shipped.release
    if packaged is None:
        return None
    image = isinstance(packaged, PackagedImage)
    facts = _image(packaged) if isinstance(packaged, PackagedImage) else _zip(packaged)
    moments = map(_moment, release.rollout if release else ())
    return ShippingView(
        packed=tuple(facts),
        placed=tuple(_placed(release)) if release else (),
        moments=tuple(moment for moment in moments if moment is not None),
        rehearsed=isinstance(release, RehearsedRelease),
        zip=not image,
    )


def _image(image: PackagedImage) -> Iterator[Fact]:
    yield "image", image.image
    yield "size", f"{size(image.size_bytes)}, at most {size(image.max_size_bytes)}"
    if image.base:
        yield "base", image.base
    yield "platform", image.platform
    yield "content", image.id
    http, locked = image.proof.http, image.proof.locked
    yield "over HTTP", _predictions(http.rows, http.difference, http.seconds)
    yield "isolated", _predictions(locked.rows, locked.difference, locked.seconds) + _memory(locked)
    if locked.emulator is not None:
        yield "in Lambda's emulator", _tested(locked.emulator, locked.why)


def _zip(archive: PackagedZip) -> Iterator[Fact]:
    yield "zip", archive.file
    unpacked, limit = size(archive.unpacked_bytes), size(archive.max_size_bytes)
    yield "size", f"{size(archive.size_bytes)}, unpacked {unpacked}, at most {limit}"
    yield "runtime", archive.runtime
    proof = archive.proof
    if proof.rows is not None and proof.difference is not None and proof.seconds is not None:
        yield "isolated", _predictions(proof.rows, proof.difference, proof.seconds) + _memory(proof)
    yield "in Lambda's emulator", _tested(proof.emulator, proof.why)


def _predictions(rows: int, difference: float, first: float) -> str:
    """`the predictions of 3 rows differ from those of the bundle by at most 2e−6; the first after 0.8 s`."""
    words = f"differ from those of the bundle by at most {number(difference)}" if difference else "equal the bundle's"
    return f"the predictions of {plural(rows, 'row')} {words}; the first after {seconds(first)}"


def _memory(check: LockedCheck | ZipProof) -> str:
    if not check.peak:
        return ""
    limit = f" of {check.memory_mb} MB" if check.memory_mb else ""
    return f", {check.peak / 2**20:.0f} MB of memory{limit}"


def _tested(emulator: bool, why: str) -> str:
    return "yes" if emulator else "not tested" + (f": {why}" if why else "")


def _placed(release: Release) -> Iterator[Fact]:
    if release.release.commit:
        yield "commit", release.release.commit
    if release.image:
        yield "pushed as", f"{release.image.repository}:{release.image.tag}"
        yield "digest", release.image.digest
    if release.function:
        yield "function", f"{release.function.name}, version {release.function.version}"
        yield "alias", release.function.alias
        if release.function.url:
            yield "endpoint", release.function.url


def _moment(event: RolloutEvent) -> Moment | None:
    version, percent = event.version, event.percent
    started = f"version {version} receives traffic" if percent else f"rollout of version {version} begins"
    texts = {
        "started": (started, "info"),
        "step": ("step passed", "good"),
        "promoted": (f"version {version} receives all traffic", "good"),
        "returned": (f"rolled back: version {event.before or ''} receives all traffic", "bad"),
        "rollback": (f"manual rollback to version {version}", "info"),
    }
    if event.kind not in texts:
        return None
    what, kind = texts[event.kind]
    known = 0 < event.time < _LATEST
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(event.time)) if known else ""
    return Moment(when, f"{percent:g} %" if percent is not None else "", what, event.why, kind)
