"""What was packed, proved and shipped, as rows: `image.json`, and the newer of `release.json` and a rehearsal's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlspec.report.formatting import number, plural, seconds, size
from mlspec.report.result_files import json_file, mapping, real, sequence, whole

_REHEARSED = "release.local.json"
Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Shipped:
    """The records as they are; empty where there is none."""

    image: Mapping[str, object]
    release: Mapping[str, object]
    rehearsed: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to a version: `kind` is good, bad or info."""

    when: str
    share: str
    what: str
    why: str
    kind: str


def shipped(artifacts: Path) -> Shipped:
    """Read what is there."""
    found = [path for name in ("release.json", _REHEARSED) if (path := artifacts / name).is_file()]
    newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
    release = json_file(newest) if newest else {}
    return Shipped(json_file(artifacts / "image.json"), release, newest is not None and newest.name == _REHEARSED)


def view(found: Shipped) -> dict[str, object] | None:
    """What the section shows; None where nothing was packed."""
    if not (found.image.get("id") or found.image.get("sha256")):
        return None
    moments = [moment for event in map(mapping, sequence(found.release.get("rollout"))) if (moment := _moment(event))]
    return {
        "packed": [*_packed(found.image), *_proved(mapping(found.image.get("proof")))],
        "placed": list(_placed(found.release)),
        "moments": moments,
        "rehearsed": found.rehearsed,
        "zip": found.image.get("kind") == "zip",
    }


def _packed(image: Mapping[str, object]) -> Iterator[Fact]:
    bytes_, most = real(image.get("size_bytes")), real(image.get("max_size_bytes"))
    name = image.get("file") or image.get("image")
    yield ("zip" if image.get("kind") == "zip" else "image"), str(name or "")
    if bytes_ is not None:
        unpacked = real(image.get("unpacked_bytes"))
        more = f", unpacked {size(unpacked)}" if unpacked else ""
        yield "size", f"{size(bytes_)}{more}" + (f", at most {size(most)}" if most else "")
    for key, label in (("base", "base"), ("platform", "platform"), ("runtime", "runtime"), ("id", "content")):
        if image.get(key):
            yield label, str(image[key])


def _proved(proof: Mapping[str, object]) -> Iterator[Fact]:
    http, locked = mapping(proof.get("http")), mapping(proof.get("locked")) or proof
    if http:
        yield "over HTTP", _answered(http)
    if locked.get("rows"):
        peak, most = real(locked.get("peak")), real(locked.get("memory_mb"))
        took = f", {peak / 2**20:.0f} MB of memory" if peak else ""
        yield "locked down", _answered(locked) + took + (f" of {most:.0f} MB" if took and most else "")
    if locked.get("emulator") is not None:
        why = str(locked.get("why") or "")
        yield "in Lambda's emulator", "yes" if locked["emulator"] else "not tried" + (f": {why}" if why else "")


def _answered(run: Mapping[str, object]) -> str:
    """`3 rows as the bundle does, 0 apart; the first after 0.8 s`."""
    apart, first = real(run.get("difference")), real(run.get("seconds"))
    told = f"{plural(whole(run.get('rows')), 'row')} answered as by the bundle"
    told += f", at most {number(apart)} apart" if apart else ""
    return told + (f"; the first after {seconds(first)}" if first is not None else "")


def _placed(release: Mapping[str, object]) -> Iterator[Fact]:
    image, function = mapping(release.get("image")), mapping(release.get("function"))
    commit = mapping(release.get("release")).get("commit")
    if commit:
        yield "commit", str(commit)
    if image:
        yield "pushed as", f"{image.get('repository', '')}:{image.get('tag', '')}"
        yield "digest", str(image.get("digest") or "")
    if function:
        yield "function", f"{function.get('name', '')}, version {function.get('version', '')}"
        yield "alias", str(function.get("alias") or "")
        if function.get("url"):
            yield "address", str(function["url"])


def _moment(event: Mapping[str, object]) -> Moment | None:
    kind, percent, before = event.get("kind"), real(event.get("percent")), str(event.get("before") or "")
    version, at = str(event.get("version") or ""), real(event.get("time"))
    what, sign = {
        "started": (f"version {version} gets calls" if percent else f"a rollout of version {version} begins", "info"),
        "step": ("its numbers are good", "good"),
        "promoted": (f"version {version} has all calls", "good"),
        "returned": (f"taken back: version {before} has all calls", "bad"),
        "rollback": (f"a person went back to version {version}", "info"),
    }.get(str(kind), ("", ""))
    if not what:
        return None
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at)) if at is not None and 0 <= at < 1e11 else ""
    return Moment(when, f"{percent:g} %" if percent is not None else "", what, str(event.get("why") or ""), sign)
