"""A Document to a Project: all checks that are possible before anything runs, in one pass. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pydantic import ValidationError

from mlspec.diagnostics import Diagnostic, Finding, Span, in_file_order
from mlspec.errors import SpecError, UsageError
from mlspec.source.document import Document, Node, Plain, printable
from mlspec.source.project_context import ProjectContext
from mlspec.source.secrets import hide, remedy, secrets
from mlspec.spec.empty_sections import filled
from mlspec.spec.file_names import same_file
from mlspec.spec.messages import explain
from mlspec.spec.names import suggest
from mlspec.spec.overlays import nested, overlay, without
from mlspec.spec.project import Project
from mlspec.spec.references import resolve
from mlspec.spec.root import HasSections, root_model, sections, valid_sections
from mlspec.spec.spec_model import dotted

MESSAGE, HELP = 400, 1500
"""Limits of a message and of its help in characters: a quoted value may be as long as the file."""
_OVERLAYS = ("environments", "experiments")
_NEEDS_OTHERS = ("section-needed", "missing-section")


class PartChecks(HasSections, Protocol):
    """The interface of a part that checks."""

    @property
    def PROGRAMS(self) -> Mapping[str, str]: ...  # noqa: D102, N802

    def check(self, project: Project) -> Iterable[Finding]: ...  # noqa: D102


@runtime_checkable
class Names(Protocol):
    """A part whose resources are named after the project, and after the selected environment."""

    def name_after(self, environment: str, values: dict[str, Plain]) -> None: ...  # noqa: D102


@runtime_checkable
class ChecksStages(Protocol):
    """A part that checks names of stages against those that all parts have."""

    def check_stages(self, project: Project, known: Collection[str]) -> Iterable[Finding]: ...  # noqa: D102


def check(
    document: Document, surroundings: ProjectContext, environment: str | None, parts: Sequence[PartChecks]
) -> tuple[Project, tuple[Diagnostic, ...]]:
    """The Project and the warnings. Raises SpecError with all errors of the spec, its environments and experiments."""
    checker = _Checker(document, surroundings, parts)
    checker.secrets()
    environments = _named(document.root, "environments")
    checker.overlays_in_overlays(environments)
    checker.overlays_of_one_name()
    _must_exist(environment, environments)
    base = without(document.root, *_OVERLAYS)
    checker.vary(base, environments)
    project = checker.project(_with(base, environments.get(environment or "")), document.root, environment)
    for name, patch in environments.items():
        if name != environment:
            checker.overlaid(overlay(base, patch), f"environment `{name}`")
    chosen = _with(base, environments.get(environment or ""))
    for name, patch in _named(document.root, "experiments").items():
        checker.overlaid(overlay(chosen, nested(patch)), f"experiment `{name}`")
    diagnostics = in_file_order(checker.diagnostics)
    if project is None or any(d.severity == "error" for d in diagnostics):
        raise SpecError(diagnostics)
    return project, tuple(diagnostics)


def _named(root: Node, key: str) -> dict[str, Node]:
    node = root.child(key)
    if node is None or not isinstance(node.value, Mapping):
        return {}
    return {name: entry.node for name, entry in node.value.items() if isinstance(entry.node.value, Mapping)}


def _with(base: Node, patch: Node | None) -> Node:
    return overlay(base, patch) if patch is not None else base


def _plain(root: Node) -> dict[str, Plain]:
    plain = without(root, *_OVERLAYS).plain()
    return plain if isinstance(plain, dict) else {}


def _must_exist(environment: str | None, environments: Mapping[str, Node]) -> None:
    if environment is not None and environment not in environments:
        help = suggest(environment, environments, "available") or "add it to `environments` of the spec"
        raise UsageError(f"environment not found in the spec: {environment}", help=help)


@dataclass
class _Checker:
    document: Document
    surroundings: ProjectContext
    parts: Sequence[PartChecks]
    diagnostics: list[Diagnostic] = field(default_factory=list)
    seen: set[tuple[str, Span | None]] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    secret: set[Span] = field(default_factory=set)
    variants: dict[str, Mapping[str, Plain]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = root_model(self.parts)

    def secrets(self) -> None:
        """Report literals that look like secrets, anywhere in the file."""
        for location, node, text in secrets(self.document.root):
            self.hidden.add(text)
            self.secret.add(node.span)
            help = remedy(location, str(node.value))
            message = f"`{dotted(location)}` looks like a secret; a spec is committed and shared"
            self._add(self.document, Finding("literal-secret", location, message, help))

    def overlays_in_overlays(self, environments: Mapping[str, Node]) -> None:
        """Report environments and experiments within an environment: they could not be selected."""
        for name, patch in environments.items():
            for section in (key for key in _OVERLAYS if patch.child(key) is not None):
                at = ("environments", name, section)
                message = f"`{dotted(at)}` is not a key of the spec"
                help = f"move it to the top-level `{section}`"
                self._add(self.document, Finding("unknown-key", at, message, help, on="key"))

    def overlays_of_one_name(self) -> None:
        """Report two environments or experiments whose files are the same where file names ignore case."""
        for section in _OVERLAYS:
            for name, other in same_file(_named(self.document.root, section)):
                message = f"`{name}` and `{other}` would be the same file on macOS and Windows, which ignore case"
                help = "rename one of them so that they differ in more than upper and lower case"
                self._add(self.document, Finding("same-file", (section, name), message, help, on="key"))

    def vary(self, base: Node, environments: Mapping[str, Node]) -> None:
        """Compute the values of the spec with each environment, and without one, for every Project."""
        for name, merged in {"": base, **{name: overlay(base, patch) for name, patch in environments.items()}}.items():
            values = resolve(merged)[0].plain()
            self.variants[name] = self._with_names(name, values) if isinstance(values, dict) else {}

    def _with_names(self, environment: str, values: dict[str, Plain]) -> dict[str, Plain]:
        """`values` with default names that end with the environment's, if one is selected."""
        for part in self.parts if environment else ():
            if isinstance(part, Names):
                part.name_after(environment, values)
        return values

    def project(self, merged: Node, whole: Node, environment: str | None) -> Project | None:
        """The Project of the selected values, with `experiments` and `environments` as in the file."""
        overlays = {k: e for k, e in whole.value.items() if k in _OVERLAYS} if isinstance(whole.value, Mapping) else {}
        entries = dict(merged.value) | overlays if isinstance(merged.value, Mapping) else overlays
        return self._validated(Node(merged.span, entries), environment, "")

    def overlaid(self, merged: Node, where: str) -> None:
        """Check a variant of the spec with its environments; only findings that the spec itself lacks are added."""
        whole = self.document.root.value
        extra = (
            {"environments": whole["environments"]} if isinstance(whole, Mapping) and "environments" in whole else {}
        )
        entries = {**merged.value, **extra} if isinstance(merged.value, Mapping) else extra
        self._validated(Node(merged.span, entries), None, where)

    def _validated(self, root: Node, environment: str | None, where: str) -> Project | None:
        resolved, invalid = resolve(root)
        view = self.document._replace(root=filled(resolved, self.model))
        for finding in invalid:
            self._add(view, finding, where)
        given = self._with_names(environment or "", view.plain())
        try:
            spec = self.model.model_validate_json(json.dumps(given))
        except ValidationError as error:
            # A value is None where its reference is invalid, which is reported already.
            errors = [e for e in error.errors(include_url=False) if not invalid or e["input"] is not None]
            for finding in explain(errors, self.model, view.root):
                self._add(view, finding, where)
            self._check_valid_sections(view, given, where)
            return None
        if invalid:
            return None
        named = sections(spec)
        values = spec.model_dump(mode="json", by_alias=True, include=set(named))
        project = Project(
            named, self.surroundings, environment, values, given, _plain(self.document.root), self.variants
        )
        for finding in self._findings(project):
            self._add(view, finding, where)
        return project

    def _findings(self, project: Project) -> Iterator[Finding]:
        """What the parts find."""
        for part in self.parts:
            yield from part.check(project)
            if isinstance(part, ChecksStages) and any(name in project.sections for name in part.SECTIONS):
                yield from part.check_stages(project, [name for other in self.parts for name in other.PROGRAMS])

    def _check_valid_sections(self, view: Document, given: dict[str, Plain], where: str) -> None:
        """Run the checks of the parts on the sections that are valid, so that all findings come in one pass.

        Findings about missing sections are dropped: such a section exists, and its errors are reported already.
        """
        valid = valid_sections(self.model, given)
        values = {name: section.model_dump(mode="json", by_alias=True) for name, section in valid.items()}
        project = Project(valid, self.surroundings, None, values, given, variants=self.variants)
        for finding in self._findings(project):
            if not finding.code.startswith(_NEEDS_OTHERS):
                self._add(view, finding, where)

    def _add(self, view: Document, finding: Finding, where: str = "") -> None:
        diagnostic = view.diagnostic(finding)
        same = (diagnostic.code, diagnostic.span)
        if where and same in self.seen:
            return
        if diagnostic.span in self.secret and diagnostic.code == "wrong-type":
            return  # a literal in place of a SecretRef is already reported as a secret
        self.seen.add(same)
        message = f"in {printable(where)}: {diagnostic.message}" if where else diagnostic.message
        message, help = hide(message, self.hidden), hide(diagnostic.help, self.hidden)
        self.diagnostics.append(diagnostic._replace(message=_shortened(message, MESSAGE), help=_shortened(help, HELP)))


def _shortened(text: str, limit: int) -> str:
    """`text` without its middle if it is longer than `limit`."""
    return text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 2 :]}"
