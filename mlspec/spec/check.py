"""A Document to a Project: everything that can be known before anything runs, all faults in one pass. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from pydantic import ValidationError

from mlspec.diagnostics import Diagnostic, Span, in_file_order
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
from mlspec.spec.root import HasSections, root_model, sections, sound_sections
from mlspec.spec.spec_model import Finding, dotted

MESSAGE, HELP = 400, 1500
"""Characters of a message and of its help: a value of the spec's may be as long as the file."""
_OVERLAYS = ("environments", "experiments")
_NEEDS_OTHERS = ("section-needed", "missing-section")


class PartChecks(HasSections, Protocol):
    """What checking needs to know of a part."""

    def check(self, project: Project) -> Iterable[Finding]: ...  # noqa: D102


@runtime_checkable
class Names(Protocol):
    """A part whose resources are named after the project, and after the environment where one is chosen."""

    def name_after(self, environment: str, given: dict[str, Any]) -> None: ...  # noqa: D102


def check(
    document: Document, surroundings: ProjectContext, environment: str | None, parts: Sequence[PartChecks]
) -> tuple[Project, tuple[Diagnostic, ...]]:
    """The Project and the warnings. Raises SpecError with every fault of the spec, its environments and experiments."""
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
    found = checker.diagnostics()
    if project is None or any(d.severity == "error" for d in found):
        raise SpecError(found)
    return project, tuple(found)


def _named(root: Node, key: str) -> dict[str, Node]:
    node = root.child(key)
    if node is None or not isinstance(node.value, Mapping):
        return {}
    return {name: entry.node for name, entry in node.value.items() if isinstance(entry.node.value, Mapping)}


def _with(base: Node, patch: Node | None) -> Node:
    return overlay(base, patch) if patch is not None else base


def _plain(root: Node) -> dict[str, Plain]:
    found = without(root, *_OVERLAYS).plain()
    return found if isinstance(found, dict) else {}


def _must_exist(environment: str | None, environments: Mapping[str, Node]) -> None:
    if environment is not None and environment not in environments:
        help = suggest(environment, environments, "the spec has") or "the spec has no `environments`"
        raise UsageError(f"the spec has no environment `{environment}`", help=help)


@dataclass
class _Checker:
    document: Document
    surroundings: ProjectContext
    parts: Sequence[PartChecks]
    found: list[Diagnostic] = field(default_factory=list)
    seen: set[tuple[str, Span | None]] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    secret: set[Span] = field(default_factory=set)
    variants: dict[str, Mapping[str, Plain]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = root_model(self.parts)

    def secrets(self) -> None:
        """Literals that look like secrets, anywhere in the file."""
        for location, node, text in secrets(self.document.root):
            self.hidden.add(text)
            self.secret.add(node.span)
            help = remedy(location, str(node.value))
            message = f"`{dotted(location)}` looks like a secret, and a spec is shared"
            self._add(self.document, Finding("literal-secret", location, message, help))

    def overlays_in_overlays(self, environments: Mapping[str, Node]) -> None:
        """Environments inside of an environment: nothing would ever choose them."""
        for name, patch in environments.items():
            if patch.child("environments") is not None:
                at = ("environments", name, "environments")
                message = f"`{dotted(at)}` is not a key of the spec"
                help = "an environment is laid over the spec, and has none of its own; put them side by side"
                self._add(self.document, Finding("unknown-key", at, message, help, on="key"))

    def overlays_of_one_name(self) -> None:
        """Two environments, or two experiments, whose files would be one on a system that ignores capitals."""
        for section in _OVERLAYS:
            for name, other in same_file(_named(self.document.root, section)):
                message = f"`{name}` and `{other}` would be the same file on macOS and Windows"
                help = "give one of them a name that differs in more than capitals"
                self._add(self.document, Finding("same-file", (section, name), message, help, on="key"))

    def vary(self, base: Node, environments: Mapping[str, Node]) -> None:
        """Have the values of the spec with each environment, and with none, for every Project."""
        for name, merged in {"": base, **{name: overlay(base, patch) for name, patch in environments.items()}}.items():
            given = resolve(merged)[0].plain()
            self.variants[name] = self._after(name, given) if isinstance(given, dict) else {}

    def _after(self, environment: str, given: dict[str, Plain]) -> dict[str, Plain]:
        """`given` with names that end with that of the environment, where one is chosen and the spec has none."""
        for part in self.parts if environment else ():
            if isinstance(part, Names):
                part.name_after(environment, given)
        return given

    def project(self, merged: Node, whole: Node, environment: str | None) -> Project | None:
        """The Project of the chosen values, with `experiments` and `environments` as the file has them."""
        kept = {k: e for k, e in whole.value.items() if k in _OVERLAYS} if isinstance(whole.value, Mapping) else {}
        entries = dict(merged.value) | kept if isinstance(merged.value, Mapping) else kept
        return self._validated(Node(merged.span, entries), environment, "")

    def overlaid(self, merged: Node, where: str) -> None:
        """Check a variant of the spec, which keeps its environments; only what is new about it is reported."""
        whole = self.document.root.value
        kept = {"environments": whole["environments"]} if isinstance(whole, Mapping) and "environments" in whole else {}
        entries = {**merged.value, **kept} if isinstance(merged.value, Mapping) else kept
        self._validated(Node(merged.span, entries), None, where)

    def _validated(self, root: Node, environment: str | None, where: str) -> Project | None:
        resolved, faults = resolve(root)
        view = replace(self.document, root=filled(resolved, self.model))
        for fault in faults:
            self._place(view.diagnostic(fault.code, fault.message, fault.span, fault.help), where)
        given = self._after(environment or "", view.plain())
        try:
            spec = self.model.model_validate_json(json.dumps(given))
        except ValidationError as error:
            known = [e for e in error.errors(include_url=False) if not faults or e["input"] is not None]
            for finding in explain(known, self.model, view.root):
                self._add(view, finding, where)
            self._sound(view, given, where)
            return None
        if faults:
            return None
        named = sections(spec)
        values = spec.model_dump(mode="json", by_alias=True, include=set(named))
        project = Project(
            named, self.surroundings, environment, values, given, _plain(self.document.root), self.variants
        )
        for part in self.parts:
            for finding in part.check(project):
                self._add(view, finding, where)
        return project

    def _sound(self, view: Document, given: dict[str, Plain], where: str) -> None:
        """What the parts say of the sections that are valid by themselves, so that all faults come in one pass.

        A part that misses a section must not be heard: the section is there, and its own faults are told already.
        """
        sound = sound_sections(self.model, given)
        values = {name: section.model_dump(mode="json", by_alias=True) for name, section in sound.items()}
        project = Project(sound, self.surroundings, None, values, given, variants=self.variants)
        for part in self.parts:
            for finding in part.check(project):
                if not finding.code.startswith(_NEEDS_OTHERS):
                    self._add(view, finding, where)

    def _add(self, view: Document, finding: Finding, where: str = "") -> None:
        span = view.span(finding.at, finding.on)
        self._place(view.diagnostic(finding.code, finding.message, span, finding.help, finding.severity), where)

    def _place(self, diagnostic: Diagnostic, where: str) -> None:
        same = (diagnostic.code, diagnostic.span)
        if where and same in self.seen:
            return
        if diagnostic.span in self.secret and diagnostic.code == "wrong-type":
            return  # a literal in place of a reference is told once, as a secret
        self.seen.add(same)
        message = f"in {printable(where)}: {diagnostic.message}" if where else diagnostic.message
        told = _brief(hide(message, self.hidden), MESSAGE)
        self.found.append(diagnostic._replace(message=told, help=_brief(hide(diagnostic.help, self.hidden), HELP)))

    def diagnostics(self) -> list[Diagnostic]:
        """All that was found, in file order."""
        return in_file_order(self.found)


def _brief(text: str, most: int) -> str:
    """`text`, its middle left out where it is longer than `most`."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"
