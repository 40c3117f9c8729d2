"""Secrets, rights, actions and images in generated files: what the tools will read, not what is intended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import yaml

from mlspec.audit.audit_entry import AuditEntry
from mlspec.render.renderer import RenderedFile

_USES: Final = re.compile(r"^\s*(?:- )?uses:\s*(\S+)(?:\s+#\s*(.*))?$")
_COMMIT: Final = re.compile(r"@[0-9a-f]{40}$")
_SECRET: Final = re.compile(r"\$\{\{\s*(secrets|vars)\.([A-Za-z_][A-Za-z0-9_]*)")
_FROM: Final = re.compile(r"^FROM\s+(?:--platform=\S+\s+)?(\S+)")
_STAGE: Final = re.compile(r"^FROM\s+.*\sAS\s+(\S+)", re.IGNORECASE)
_IMAGE: Final = re.compile(r"^\s*image:\s*[\"']?([^\s\"'#]+)")
_PULLED: Final = re.compile(r"^\s*IMAGE:\s*[\"']?([^\s\"'#]+)")
_PIP: Final = re.compile(r"^\s*PACKAGES:\s*[\"']?([^\s\"']+)")
_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}$")


def entries(files: Iterable[RenderedFile], own_image: str) -> Iterator[AuditEntry]:
    """The entries of all generated files. `own_image` is the image that the project itself builds."""
    for file in files:
        if "/workflows/" in file.path:
            yield from _workflow(file, own_image)
        elif file.path == "Dockerfile":
            yield from _dockerfile(file)
        elif file.path.endswith((".yaml", ".yml")) and "compose" in file.path:
            yield from _compose(file, own_image)


def _workflow(file: RenderedFile, own_image: str) -> Iterator[AuditEntry]:
    for number, line in enumerate(file.text.splitlines(), 1):
        if (uses := _USES.match(line)) is not None:
            pinned = bool(_COMMIT.search(uses[1])) or uses[1].startswith("./")
            name = uses[1].partition("@")[0] if pinned else uses[1]
            rule = "" if pinned else "action-by-tag"
            yield AuditEntry("action", name, file.path, number, uses[2] or "", rule, "warning" if rule else "note")
        for scope, name in _SECRET.findall(line):
            kind = "secret of GitHub" if scope == "secrets" else "variable of GitHub"
            yield AuditEntry("secret", name, file.path, number, kind)
        yield from _installed(line, file.path, number, own_image)
    yield from _workflow_permissions(file)


def _installed(line: str, path: str, number: int, own_image: str) -> Iterator[AuditEntry]:
    """What a step brings onto the runner beside actions and locked packages: facts, not faults. The guide says why it
    may have no hash."""
    if (package := _PIP.match(line)) is not None:
        detail = "pip: its release is pinned, without a hash" if "==" in package[1] else "pip: without a hash"
        yield AuditEntry("package", package[1], path, number, detail)
    image = _PULLED.match(line)
    if image is not None and image[1].partition(":")[0] != own_image:
        how = "by digest" if _DIGEST.search(image[1]) else "by tag, until `mlspec lock` pins it"
        yield AuditEntry("image", image[1], path, number, f"{how}: only its Lambda emulator is used, for a test")


def _workflow_permissions(file: RenderedFile) -> Iterator[AuditEntry]:
    """The rights of the token in each job; a job without `permissions` has those of the workflow."""
    workflow = yaml.safe_load(file.text)
    common = workflow.get("permissions")
    for name, job in (workflow.get("jobs") or {}).items():
        rights = job.get("permissions", common)
        line = _line(file.text, rf"^  {re.escape(str(name))}:")
        if isinstance(rights, Mapping):
            for scope, right in rights.items():
                yield AuditEntry("permission", f"{scope}: {right}", file.path, line, f"job {name}")
        else:
            detail = f"job {name}: {rights or 'the defaults of the repository'}"
            yield AuditEntry("permission", "all", file.path, line, detail, "broad-workflow-permission", "warning")


def _dockerfile(file: RenderedFile) -> Iterator[AuditEntry]:
    stages = {stage[1] for line in file.text.splitlines() if (stage := _STAGE.match(line)) is not None}
    seen: set[str] = set()
    for number, line in enumerate(file.text.splitlines(), 1):
        image = _FROM.match(line)
        if image is not None and image[1] not in stages and image[1] not in seen:
            seen.add(image[1])
            yield _image(image[1], file.path, number)


def _compose(file: RenderedFile, own_image: str) -> Iterator[AuditEntry]:
    for number, line in enumerate(file.text.splitlines(), 1):
        image = _IMAGE.match(line)
        if image is not None and not image[1].startswith(f"{own_image}:"):
            yield _image(image[1], file.path, number)


def _image(image: str, path: str, line: int) -> AuditEntry:
    rule = "" if _DIGEST.search(image) else "image-without-digest"
    return AuditEntry("image", image, path, line, "", rule, "warning" if rule else "note")


def _line(text: str, pattern: str) -> int:
    """The number of the first line that matches, else 1."""
    match = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match is not None else 1
