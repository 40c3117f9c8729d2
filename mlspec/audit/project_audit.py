"""The audit of a project: every entry, in a stable order."""

from __future__ import annotations

from pathlib import Path

from mlspec.audit import generated_files, locked_packages, policy_statements, spec_entries
from mlspec.audit.audit_entry import TITLES, AuditEntry
from mlspec.compiler import Build
from mlspec.parts.package.part import image_name
from mlspec.source.reader import read


def audit(built: Build, spec: Path) -> tuple[AuditEntry, ...]:
    """The entries of a build of `spec`, without repetitions, by kind and name; faults first."""
    own = image_name(built.project.info.name)
    document, root = read(spec), spec.parent
    served = next((file.text for file in built.files if file.path == locked_packages.SERVED), "")
    entries = {
        *generated_files.entries(built.files, own),
        *policy_statements.entries(built.project, built.files),
        *spec_entries.entries(built.project, document, root),
        *locked_packages.entries(built.project, served, root, document),
    }
    order = list(TITLES)
    return tuple(sorted(entries, key=lambda e: (order.index(e.kind), not e.rule, e)))
