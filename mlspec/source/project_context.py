"""What the meaning of a spec depends on besides its text, read once before checking, so that checking is pure."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mlspec.errors import MlspecError
from mlspec.source import dockerfile_lock as bases
from mlspec.source import hash_lock, npm_lock, reads
from mlspec.source.dockerfile_lock import PinnedBase
from mlspec.source.document import Document, walk
from mlspec.source.known_bad import FILES as PINNING
from mlspec.source.known_bad import BadPin, pins
from mlspec.source.module_imports import Imports
from mlspec.source.npm_lock import NpmLock
from mlspec.source.pickle_files import has_safetensors, pickles_at
from mlspec.source.third_party import Outside, of_module

_WORKING = re.compile(r"(?m)^defaults:\n  run:\n(?:    .*\n)*?    working-directory: (.+)$")
_DATA_KEYS = {"source", "valid", "test"}
_IMPORT_KEYS = {"class", "datamodule", "source", "valid", "test", "callable"}
_LOADED_KEYS = {"args", "datamodule_args", "deps", "pretrained"}
"""Keys whose texts may name files that the project's code loads."""
TESTS = "tests"
"""The folder of the project's tests, and the key of their imports."""


class ProjectContext(NamedTuple):
    """Facts about the folder of a spec."""

    git: bool = False
    """Whether the project is in a git repository."""
    prefix: str = ""
    """The path of the project folder from the repository root, POSIX; `""` at the root."""
    modules: Mapping[str, str | None] = {}
    """Source of each Python module that the spec names, by dotted name; None if it is installed outside the project."""
    templates: Mapping[str, str] = {}
    """Text of each template in the project's `templates/` folder, by its path in there."""
    files: Mapping[str, str] = {}
    """The path of each of those modules in the project, POSIX."""
    imports: Mapping[str, tuple[str, ...]] = {}
    """Files of the project that importing each of those modules loads, including its own; with the key `tests` those
    that the project's tests import."""
    outside: Mapping[str, tuple[Outside, ...]] = {}
    """Third-party imports of the modules of preprocessing classes, direct and indirect."""
    reads: Mapping[str, tuple[str, ...]] = {}
    """Existing files that a stage opened and the spec does not name, by stage."""
    folders: tuple[str, ...] = ()
    """Pretrained models of the spec that are folders in the project."""
    pickles: Mapping[str, tuple[str, ...]] = {}
    """Pickles that a path of the spec or of reads.lock names, by that path. A pretrained model with its weights as
    safetensors too has none: those are loaded."""
    dvc_core: bool = False
    """Whether the user's part of `.dvc/config` has a `[core]` section: DVC fails on a second one."""
    bases: Mapping[str, PinnedBase] = {}
    """Base images of the Dockerfile with their pinned digests."""
    hashes: Mapping[str, tuple[str, ...]] = {}
    """Digests of the packages in `package.requirements`, by `name==release`, from requirements-serve.lock."""
    npm: NpmLock | None = None
    """What npm installs of the Serverless Framework, from serverless/package-lock.json."""
    bad_pins: tuple[BadPin, ...] = ()
    """Releases known to be bad that the project's requirements, constraints and locks pin."""
    absent: tuple[str, ...] = ()
    """Data of the spec that is neither in the project nor tracked by DVC."""
    workflows: Mapping[str, str] = {}
    """Path of each workflow in the repository that belongs to another project, with the folder of that project."""
    named: tuple[str, ...] = ()
    """Everything that the spec names, existing or not: modules, modules that serving loads (`+` prefix), folders (`/`
    suffix), data (`./` prefix) and files that code may load (`?` prefix)."""

    def path_of(self, module: str) -> str:
        """The file of a module in the project, or `""`."""
        return self.files.get(module, "")

    def code_of(self, *paths: str | None) -> tuple[str, ...]:
        """The files of the project that loading these import paths (`src.model:Net`) loads."""
        modules = [path.partition(":")[0] for path in paths if path]
        return tuple(dict.fromkeys(file for module in modules for file in self.imports.get(module, ())))

    @property
    def code(self) -> frozenset[str]:
        """All files of the project that are loaded as modules, according to their source."""
        return frozenset(file for files in self.imports.values() for file in files)


def look(document: Document, root: Path) -> ProjectContext:
    """Read the context of the spec in `root`. Imports no module of the user."""
    return survey(_named(document), root)


def survey(named: Sequence[str], root: Path) -> ProjectContext:
    """The same for the modules, folders and data that a spec names."""
    repository = next((p for p in (root, *root.parents) if (p / ".git").exists()), None)
    prefix = root.relative_to(repository).as_posix() if repository is not None else "."
    data = [name[2:] for name in named if name.startswith("./")]
    names = [name for name in named if not name.endswith("/") and not name.startswith(("./", "+", "?"))]
    served = [name[1:] for name in named if name.startswith("+")]
    imports = Imports(root)
    modules, files = _modules(names, imports, root)
    opened = recorded(root)
    return ProjectContext(
        git=repository is not None,
        prefix="" if prefix == "." else prefix,
        modules=modules,
        files=files,
        imports=_imported(files, imports, root),
        outside={module: of_module(imports, root, module) for module in files if module in served},
        reads=opened,
        templates=_templates(root),
        folders=tuple(n[:-1] for n in named if n.endswith("/") and not n.startswith(("./", "?")) and _is_dir(root / n)),
        pickles=_pickles(named, opened, root),
        absent=tuple(path for path in data if not _exists_or_tracked(path, root)),
        dvc_core=_dvc_core(root / ".dvc" / "config"),
        bases=bases.parse(_text(root / bases.FILE)) if _is_file(root / bases.FILE) else {},
        hashes=hash_lock.parse(_text(root / hash_lock.FILE)) if _is_file(root / hash_lock.FILE) else {},
        npm=npm_lock.parse(_text(root / npm_lock.FILE)) if _is_file(root / npm_lock.FILE) else None,
        bad_pins=tuple(pin for name in PINNING if _is_file(root / name) for pin in pins(name, _text(root / name))),
        workflows=_workflows(repository, prefix) if repository is not None and prefix != "." else {},
        named=tuple(named),
    )


def _workflows(repository: Path, prefix: str) -> dict[str, str]:
    """Workflows of mlspec whose working directory is another folder that contains a spec."""
    workflows: dict[str, str] = {}
    for file in sorted((repository / ".github" / "workflows").glob("mlspec-*.yaml")):
        match = _WORKING.search(_text(file)) if _is_file(file) else None
        folder = _scalar(match[1]) if match else ""
        if folder not in ("", prefix) and _is_file(repository / folder / "mlproject.yaml"):
            workflows[file.relative_to(repository).as_posix()] = folder
    return workflows


def _scalar(text: str) -> str:
    import yaml  # not needed by most builds without changes

    try:
        return str(yaml.safe_load(text))
    except yaml.YAMLError:
        return ""


def _named(document: Document) -> list[str]:
    folders = [text.replace("$${", "${") for text in _values(document, {"pretrained"})]
    names = {f"{folder}/" for folder in folders if "\0" not in folder}
    names |= {module for value in _values(document, _IMPORT_KEYS) if (module := _module(value))}
    names |= {f"+{module}" for value in _served(document) if (module := _module(value))}
    names |= {f"?{path}" for path in _loaded(document) if _is_path(path)}
    paths = _values(document, _DATA_KEYS)
    return sorted(names | {f"./{path}" for path in paths if _is_path(path)})


def _module(path: str) -> str:
    """The module of an import path `src.model:Net`; `""` for other texts."""
    module, colon, attribute = path.partition(":")
    whole = colon and attribute.isidentifier() and all(p.isidentifier() for p in module.split("."))
    return module if whole else ""


def _served(document: Document) -> set[str]:
    """The classes that serving loads: their imports must be installed there."""
    values = {".".join(map(str, at)): node.value for at, node in walk(document.root)}
    return {value for at, value in values.items() if at.endswith("preprocess.class") and isinstance(value, str)}


def _loaded(document: Document) -> set[str]:
    """The texts below the keys of files that code may load, also in environments and experiments."""
    texts = ((".".join(map(str, at)), node.value) for at, node in walk(document.root) if isinstance(node.value, str))
    return {text for at, text in texts if _LOADED_KEYS & set(at.split("."))}


def _pickles(named: Sequence[str], opened: Mapping[str, tuple[str, ...]], root: Path) -> dict[str, tuple[str, ...]]:
    paths = [name[1:] for name in named if name.startswith("?")]
    pickles = {
        path: pickles_at(root, path) for path in (*paths, *(path for files in opened.values() for path in files))
    }
    safe = {path for path in paths if f"{path}/" in named and has_safetensors(root, path)}
    return {path: files for path, files in pickles.items() if files and path not in safe}


def _is_path(text: str) -> bool:
    """Whether the text can be a path in the project, not a URL, an import path or a reference."""
    return bool(text) and not text.startswith("/") and not set(":$\0") & set(text) and ".." not in text.split("/")


def _exists_or_tracked(path: str, root: Path) -> bool:
    """Whether the path exists or is tracked by DVC (https://dvc.org/doc/user-guide/project-structure/dvc-files)."""
    steps = path.strip("/").split("/")
    whole = steps[: next((i for i, step in enumerate(steps) if set("*?[") & set(step)), len(steps))]
    above = [root.joinpath(*whole[: count + 1]) for count in range(len(whole))]
    return not above or _exists(above[-1]) or any(_is_file(p.with_name(f"{p.name}.dvc")) for p in above)


def _dvc_core(config: Path) -> bool:
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    own = re.sub(r"(?ms)^# >>> mlspec >>>.*?^# <<< mlspec <<<", "", text)
    return re.search(r"(?m)^\s*\[\s*core\s*\]", own) is not None


def _modules(named: Sequence[str], imports: Imports, root: Path) -> tuple[dict[str, str | None], dict[str, str]]:
    modules: dict[str, str | None] = {}
    files: dict[str, str] = {}
    for name in named:
        file = imports.file(name)
        if file.endswith(".py"):
            files[name] = file
            modules[name] = _text(root / file)
        elif file or _installed(name.split(".")[0], root):
            modules[name] = None
    return modules, files


def _imported(files: Mapping[str, str], imports: Imports, root: Path) -> dict[str, tuple[str, ...]]:
    loaded = {module: imports.of_modules([module]) for module in files}
    if _is_dir(root / TESTS):
        tests = sorted(file.relative_to(root).as_posix() for file in (root / TESTS).rglob("*.py") if _is_file(file))
        loaded[TESTS] = imports.of_files(tests)
    return loaded


def recorded(root: Path) -> dict[str, tuple[str, ...]]:
    """The existing files of `reads.lock`, by stage."""
    if not _is_file(root / reads.FILE):
        return {}
    known = reads.parse(_text(root / reads.FILE))
    existing = {
        stage: tuple(path for path in paths if _exists_or_tracked(path, root)) for stage, paths in known.items()
    }
    return {stage: paths for stage, paths in existing.items() if paths}


def _values(document: Document, keys: set[str]) -> set[str]:
    """The texts at any of `keys`, anywhere in the document."""
    nodes = walk(document.root)
    return {node.value for at, node in nodes if at and at[-1] in keys and isinstance(node.value, str)}


def _installed(package: str, root: Path) -> bool:
    try:
        return not (root / package).exists() and importlib.util.find_spec(package) is not None
    except (OSError, ValueError, ImportError):
        return False  # the name is too long, or `__main__`, which has no spec


def _templates(root: Path) -> dict[str, str]:
    folder = root / "templates"
    if not folder.is_dir():
        return {}
    files = sorted(f for f in folder.rglob("*.j2") if f.is_file())
    return {f.relative_to(folder).as_posix(): _text(f) for f in files}


def _is_file(path: Path) -> bool:
    """False for a name that is not valid on the file system."""
    try:
        return path.is_file()
    except OSError:
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise MlspecError(f"cannot read {file}: {error.strerror}", help="fix the permissions of the file") from None
