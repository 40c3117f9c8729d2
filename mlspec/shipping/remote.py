"""What `push` and `deploy` would change, for a plan: everything is looked at, nothing is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.shipping import account, alias, callers, converge, deployment, pushing, releases
from mlspec.shipping.change import Change
from mlspec.shipping.choice import current
from mlspec.shipping.errors import DEPLOY, PUSH, told
from mlspec.shipping.target import Target
from mlspec.shipping.wanted import Spec, place, wanted


def push(spec: Spec, artifacts: Path, target: Target | None = None) -> list[Change]:
    """What the stage `push` would change. Raises StageError where that cannot be seen."""
    ecr = spec.need(Registry).ecr
    with told(PUSH):
        target = target or _passing(ecr.region)
        full = account.completed(target, ecr)
        steps = pushing.repository_steps(target, full, spec)
        built = pushing.built(artifacts)
        return [*converge.changes(steps), *pushing.observed(target, full, built), *_recorded(artifacts, built)]


def deploy(spec: Spec, artifacts: Path, target: Target | None = None) -> list[Change]:
    """What the stage `deploy` would change. Raises StageError where that cannot be seen."""
    ecr, zipped = place(spec), spec.need(Package).zip is not None
    with told(DEPLOY):
        target = target or _passing(ecr.region)
        if zipped:
            found = pushing.zipped(artifacts, spec)
            asked = wanted(target, spec, "", found[0] if found else None)
        else:
            built = pushing.built(artifacts)
            repository = account.completed(target, ecr).repository
            asked = wanted(target, spec, pushing.digest_of(target, repository, built.tag) if built else "")
        observed = deployment.observed(asked)
        if any(change.held for change in observed):
            return [*observed, *_endpoint(target)]
        live = alias.read(target, asked.function.name, asked.function.options.alias)
        noticed = callers.notice(asked, live, pushing.bundled(artifacts) or pushing.signature(artifacts))
        broken = [Change("~", f"signature of {asked.function.name}", breaking=sentence) for sentence in noticed]
        return [*observed, *broken, *_endpoint(target)]


def _endpoint(target: Target) -> list[Change]:
    """Of a rehearsal: what callers call may have been stopped."""
    if target.kind == "aws":
        return []
    from mlspec.shipping.local.rehearsal import here

    return [] if here().address else [Change("+", "endpoint on this machine")]


def _recorded(artifacts: Path, built: pushing.Built | None) -> list[Change]:
    """Another machine may have pushed it: then only the record of it is missing here."""
    image = (releases.read(artifacts) or {}).get("image") or {}
    if built is None or image.get("tag") == built.tag:
        return []
    return [Change("+", "record artifacts/release.json", new=built.tag)]


def _passing(region: str) -> Target:
    return replace(current(region), hasty=True)
