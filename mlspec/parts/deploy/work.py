"""The stage `deploy`: the function as the spec wants it, a published version of it, and the callers sent there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.images.spec import Registry
from mlspec.parts.package.answers import TOLERANCE, Expected, difference
from mlspec.shipping import alias, callers, deployment, releases
from mlspec.shipping.alias import Alias
from mlspec.shipping.converge import carry_out
from mlspec.shipping.errors import DEPLOY, told
from mlspec.shipping.rollout.start import Published, Tests, history, roll_out
from mlspec.shipping.target import Target, current
from mlspec.shipping.wanted import Wanted, wanted


def main(job: Job) -> None:
    """Read what is there, change what differs, publish, roll out; complete `artifacts/release.json`."""
    ship(job, current(job.need(Registry).ecr.region))


def ship(job: Job, target: Target) -> None:
    """The same, to that target."""
    record = releases.read(job.inputs)
    if record is None or not record.get("image"):
        raise StageError("there is no release to deploy", help="push one: mlspec apply --until push")
    with told(DEPLOY):
        asked = wanted(target, job, record["image"]["digest"])
        callers.refuse(asked, alias.read(target, asked.function.name, asked.function.options.alias))
        number, live = deployment.converge(asked, record["image"].get("tag", ""), _say)
        before = live.version if live else None
        _note(asked, number, record)
        deployment.keep(asked, number, before, say=_say, release=False)
        now = roll_out(Published(job, asked.target, asked.function, number, lambda: _tests(job)))
        if live is None:
            carry_out(deployment.above(asked), _say)
        if before is not None and before != now.version:
            deployment.keep(asked, now.version, before, say=_say, release=True)
        releases.complete(job.outputs, _function(asked, now))
    _tell(asked, now)


def _note(asked: Wanted, number: str, record: Mapping[str, Any]) -> None:
    """Write down what led to the version, once: a kill between publishing and this is made up for the next time."""
    events = history(asked.target, asked.function)
    if not any(event.kind == "published" and event.version == number for event in events.read()):
        image = record["image"]["digest"]
        events.add("published", number, release={**(record.get("release") or {}), "image": image})


def _tests(job: Job) -> Tests:
    expected = Expected(job.inputs / "bundle")
    return Tests(expected.rows, expected.answers, difference, TOLERANCE)


def _function(asked: Wanted, now: Alias) -> dict[str, str | None]:
    url = deployment.url(asked)
    return {"name": asked.function.name, "version": now.version, "alias": now.name, "url": url}


def _tell(asked: Wanted, now: Alias) -> None:
    _say(f"{asked.function.name}:{now.name} is version {now.version}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
