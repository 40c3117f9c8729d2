"""Secrets, hosts and pickles that the spec names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mlspec.audit.audit_entry import AuditEntry
from mlspec.sections.data import DataSpec
from mlspec.sections.deploy import Deploy
from mlspec.sections.model import ModelSpec, TextClassifier
from mlspec.sections.registry import Registry
from mlspec.sections.track import TrackSpec
from mlspec.source.document import Document, Plain
from mlspec.source.pickle_scan import INSTALL, scan
from mlspec.spec.project import Project
from mlspec.spec.spec_model import dotted

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"']+")
ADDRESSES: Final = frozenset({"kibana_url", "pushgateway", "slack", "uri", "url", "webhook"})
"""Keys whose environment variable contains an address, and not a token or a password."""
_SCANNED: Final = "picklescan found nothing in it"


def entries(project: Project, document: Document, root: Path) -> Iterator[AuditEntry]:
    """The entries of the spec in `document` and of the project's folder."""
    for at, value in _walk(dict(project.values), ()):
        line = document.span(at).line
        if isinstance(value, dict) and set(value) == {"env"}:
            yield AuditEntry(
                "secret", str(value["env"]), document.path, line, f"environment variable, for {dotted(at)}"
            )
            if at[-1] in ADDRESSES and at[:3] != ("deploy", "lambda", "environment"):
                yield AuditEntry("host", f"the address in {value['env']}", document.path, line, dotted(at))
        elif isinstance(value, str) and _URL.match(value) and not _hosted(project, at):
            yield from _address(value, document.path, line, dotted(at))
    yield from _remote_secrets(project, document)
    for host, at in _services(project):
        yield AuditEntry("host", host, document.path, document.span((*at,)).line, dotted(at))
    yield from _pickles(project, root)


def _hosted(project: Project, at: tuple[str | int, ...]) -> bool:
    """Whether the address is that of a remote on a service, whose host it does not contain."""
    data = project.get(DataSpec)
    return at == ("data", "remote") and data is not None and bool(data.dvc_remote and data.dvc_remote.host)


def _remote_secrets(project: Project, document: Document) -> Iterator[AuditEntry]:
    data, at = project.get(DataSpec), ("data", "remote")
    for name in data.dvc_remote.secrets if data is not None and data.dvc_remote is not None else ():
        line = document.span(at).line
        yield AuditEntry("secret", name, document.path, line, f"environment variable, for {dotted(at)}")


def _walk(value: Plain, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Plain]]:
    yield at, value
    if isinstance(value, dict) and set(value) != {"env"}:
        for key, inner in value.items():
            yield from _walk(inner, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, (*at, number))


def _address(text: str, file: str, line: int, key: str) -> Iterator[AuditEntry]:
    """A host, or a bucket, without the user and password that an address may have."""
    address = urlsplit(text)
    host = (address.hostname or "") + (f":{address.port}" if address.port else "")
    if host:
        yield AuditEntry("host", f"{address.scheme}://{host}", file, line, key)


def _services(project: Project) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Services that follow from a section without an address."""
    model, track = project.get(ModelSpec), project.get(TrackSpec)
    data = project.get(DataSpec)
    if data is not None and data.dvc_remote is not None and data.dvc_remote.host:
        yield data.dvc_remote.host, ("data", "remote")
    registry, deploy = project.get(Registry), project.get(Deploy)
    if isinstance(model, TextClassifier) and model.pretrained and model.pretrained not in project.surroundings.folders:
        yield "https://huggingface.co", ("model", "pretrained")
    for name, tracker in track.trackers.items() if track is not None else ():
        if tracker.online and tracker.SERVICE:
            yield tracker.SERVICE, ("track", name)
    region = (deploy.lambda_.region if deploy and deploy.lambda_ else None) or (
        registry.ecr.region if registry else None
    )
    if registry is not None:
        yield f"https://api.ecr.{registry.ecr.region}.amazonaws.com", ("registry", "ecr")
    if deploy is not None and deploy.lambda_ is not None and region:
        yield f"https://lambda.{region}.amazonaws.com", ("deploy", "lambda")


def _pickles(project: Project, root: Path) -> Iterator[AuditEntry]:
    for file in sorted({file for files in project.surroundings.pickles.values() for file in files}):
        dangerous, detail = _scan(root / file)
        rule = "dangerous-pickle" if dangerous else "trusted-pickle"
        yield AuditEntry("pickle", file, file, 1, detail, rule, "error" if dangerous else "warning")


def _scan(file: Path) -> tuple[bool, str]:
    """Whether picklescan finds a dangerous function in the file, and what it finds."""
    result = scan(file)
    if result.dangerous:
        return True, f"it calls {', '.join(result.dangerous)}"
    return False, f"not scanned: {result.failed} ({INSTALL})" if result.failed else _SCANNED
