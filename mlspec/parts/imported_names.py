"""A `module:name` of the spec against the project's modules, read as text. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.diagnostics import Finding, Location
from mlspec.source.python import class_names, module_names, unreadable
from mlspec.spec.names import suggest


def import_finding(path: str, at: Location, modules: Mapping[str, str | None], kind: str) -> Finding | None:
    """Why `path` cannot be imported; None if it can, or if that cannot be read from the text.

    `modules` are the project's by dotted name, None for one that is not read. `kind` is what to write there: `class`.
    """
    module, _, name = path.partition(":")
    if module not in modules:
        file = module.replace(".", "/") + ".py"
        return Finding("import-not-found", at, f"module not found: `{module}`", f"write the {kind} in {file}")
    text = modules[module]
    if text is None:
        return None
    if broken := unreadable(text):
        return Finding("import-not-found", at, f"`{module}` cannot be imported: {broken[0]}", broken[1])
    names = module_names(text)
    if names is not None and name not in names:
        likely = class_names(text) if kind == "class" else frozenset()
        return Finding("import-not-found", at, f"`{module}` has no `{name}`", suggest(name, likely or names, "it has"))
    return None
