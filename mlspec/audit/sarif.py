"""The faults of an audit as SARIF 2.1.0, which GitHub and editors show beside the line
(https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

import mlspec
from mlspec.audit.audit_entry import RULES, AuditEntry


def sarif(entries: Sequence[AuditEntry], prefix: str = "") -> str:
    """The log of all faults as JSON text. `prefix`: the project's folder in the repository."""
    faults = [entry for entry in entries if entry.rule]
    names = sorted({entry.rule for entry in faults})
    rules = [{"id": name, "shortDescription": {"text": RULES[name]}} for name in names]
    driver = {
        "name": "mlspec audit",
        "version": mlspec.__version__,
        "rules": rules,
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(entry, names.index(entry.rule), prefix) for entry in faults],
    }
    schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _result(entry: AuditEntry, rule: int, prefix: str) -> dict[str, object]:
    detail = f" ({entry.detail})" if entry.detail else ""
    location = {"artifactLocation": {"uri": _uri(entry.file, prefix)}, "region": {"startLine": entry.line}}
    return {
        "ruleId": entry.rule,
        "ruleIndex": rule,
        "level": entry.level,
        "message": {"text": f"{RULES[entry.rule]}: {entry.name}{detail}"},
        "locations": [{"physicalLocation": location}],
    }


def _uri(path: str, prefix: str) -> str:
    """The path from the repository's root, where the workflows are."""
    return quote(path if not prefix or path.startswith(".github/") else f"{prefix}/{path}")
