"""What a spec's meaning depends on outside its own text, read once, before checking: so that checking stays pure."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlspec.source.document import Document, walk

_IMPORT_KEYS = {"class", "datamodule", "source", "callable"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Facts about the folder a spec lies in."""

    git: bool = False
    """Whether the project lies in a git repository."""
    prefix: str = ""
    """The project's folder below the repository's root, POSIX, `""` at the root itself."""
    modules: Mapping[str, str | None] = field(default_factory=dict)
    """Text of each Python module that the spec names, by dotted name; None for one installed outside the project."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """Text of each template in the project's own `templates/` folder, by its path there."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Where each of those modules lies in the project, POSIX."""

    def path_of(self, module: str) -> str:
        """The file of a module in the project, or `""`."""
        return self.files.get(module, "")


def look(document: Document, root: Path) -> Surroundings:
    """Read the surroundings of the spec in `root`. Imports nothing of the user's."""
    repository = next((p for p in (root, *root.parents) if (p / ".git").exists()), None)
    prefix = root.relative_to(repository).as_posix() if repository is not None else "."
    modules, files = _modules(document, root)
    return Surroundings(
        git=repository is not None,
        prefix="" if prefix == "." else prefix,
        modules=modules,
        files=files,
        templates=_templates(root),
    )


def _modules(document: Document, root: Path) -> tuple[dict[str, str | None], dict[str, str]]:
    names: set[str] = set()
    for location, node in walk(document.root):
        if location and location[-1] in _IMPORT_KEYS and isinstance(node.value, str):
            module, colon, attribute = node.value.partition(":")
            if colon and attribute.isidentifier() and all(p.isidentifier() for p in module.split(".")):
                names.add(module)
    found: dict[str, str | None] = {}
    files: dict[str, str] = {}
    for name in sorted(names):
        path = root.joinpath(*name.split("."))
        file = next((f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file()), None)
        if file is not None:
            files[name] = file.relative_to(root).as_posix()
            found[name] = file.read_text(encoding="utf-8", errors="replace")
        elif _installed(name.split(".")[0], root):
            found[name] = None
    return found, files


def _installed(package: str, root: Path) -> bool:
    return not (root / package).exists() and importlib.util.find_spec(package) is not None


def _templates(root: Path) -> dict[str, str]:
    folder = root / "templates"
    if not folder.is_dir():
        return {}
    files = sorted(f for f in folder.rglob("*.j2") if f.is_file())
    return {f.relative_to(folder).as_posix(): f.read_text(encoding="utf-8", errors="replace") for f in files}
