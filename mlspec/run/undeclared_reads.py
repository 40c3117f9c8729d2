"""The files that a stage opened and `dvc.yaml` does not declare: written to `reads.lock` and reported as warnings.

The next build declares the files in `reads.lock` as inputs of the stage.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import mlspec
from mlspec.dvc.dvc_yaml import DeclaredStage, declared_stage
from mlspec.job import Job, write_text
from mlspec.plan.stage import outermost
from mlspec.sections.addresses import is_callable
from mlspec.sections.data import DataSpec
from mlspec.source import reads
from mlspec.source.python import constants
from mlspec.source.reads import covered, flow_list, inside
from mlspec.stage_result import warn
from mlspec.watch import PYTHON, Seen, watching

_FOLDERS = frozenset({"artifacts", "conf", "multirun", "wandb"})
"""Folders that mlspec and its tools write. What a stage reads in `artifacts/` is declared."""
_INSTALLED = frozenset({"site-packages", "dist-packages", "__pycache__"})
_EDITED = frozenset({
    ".bash", ".c", ".cfg", ".cpp", ".css", ".h", ".html", ".ini", ".ipynb", ".js", ".lock", ".log", ".md", ".py",
    ".pyc", ".pyi", ".rst", ".sh", ".tex", ".toml", ".ts", ".yaml", ".yml",
})  # fmt: skip
_FILES = frozenset({"dvc.yaml", "dvc.lock", "mlspec.lock", reads.FILE})


@contextmanager
def watched(stage: str, job: Job) -> Iterator[None]:
    """Watch what the body of a stage opens. A stage that is not in `dvc.yaml` is not watched."""
    entry = _declared(stage, job.root)
    if entry is None:
        yield
        return
    start = time.time()
    with watching(job.root, job.scratch / f"opened-{os.getpid()}") as seen:
        yield
    seen.read.update(_native(seen, stage, job.root, start))
    for reason in filter(None, seen.blind):
        warn(f"some files opened in {job.root} may not be detected: {reason}")
    known = _known(job.root)
    recorded = known.get(stage, ())
    declared = [*(path for path in entry.inputs if path not in recorded), *_own(stage, job)]
    paths = undeclared(seen, job.root, (*declared, *entry.outputs))
    _record(known, stage, paths, job.root)
    for line in _warnings(stage, job, [path for path in paths if path not in recorded]):
        warn(line)


def _native(seen: Seen, stage: str, root: Path, start: float) -> set[str]:
    """Files that libraries opened without Python, or programs that the stage started.

    inotify reports the files of every program. A file of a kind that people edit counts only where the stage's code
    or the arguments of a program contain its path, and a module only where the stage started Python: an editor or an
    IDE may have opened it. A data file that another program opened counts too; the next run of the stage removes it.
    """
    named = {*_written_out(seen.read, root), *seen.started}
    if seen.blind and not seen.native:
        # The test stage imports the code of the other stages and calls little of it.
        recent = {path for path in named if (root / path).is_file() and (root / path).stat().st_mtime < start}
        return recent if stage != "test" else set()
    modules = (".py", ".pyc") if PYTHON in seen.started else ()
    paths = {path for path in seen.native if path in named or path.endswith(modules) or not _edited(path)}
    seen.listed.update(seen.folders if paths - seen.read else ())
    return paths


def _edited(path: str) -> bool:
    """Whether editors and git open such a file all the time: sources and notes."""
    file = PurePosixPath(path)
    return file.suffix in _EDITED or (len(file.parts) == 1 and not file.suffix)


def _written_out(read: Iterable[str], root: Path) -> set[str]:
    """Files whose whole path is a string in the code that ran."""
    code = {path for path in map(_source, read) if path.endswith(".py") and _matters(path, root)}
    texts = {text for path in code if (root / path).is_file() for text in constants((root / path).read_bytes())}
    return {text for text in texts if inside(text) and (root / text).is_file()}


def undeclared(seen: Seen, root: Path, declared: Sequence[str]) -> tuple[str, ...]:
    """Files that were read, not written, and not declared; instead of them their folder, where the stage listed it."""
    opened = {_source(path) for path in seen.read} - seen.written
    paths = sorted(p for p in opened if _matters(p, root) and not covered(p, declared) and (root / p).is_file())
    return outermost(sorted(_listed(path, seen.listed, root) for path in paths))


def _matters(path: str, root: Path) -> bool:
    steps = path.split("/")
    ours = (Path(sys.prefix), Path(mlspec.__file__).parent)
    return (
        steps[0] not in _FOLDERS
        and path not in _FILES
        and inside(path)
        and not any(step.startswith(".") or step in _INSTALLED for step in steps)
        and not path.endswith(".dvc")
        and not any((root / path).is_relative_to(folder) for folder in ours)
    )


def _source(path: str) -> str:
    """The module that a bytecode file was compiled from."""
    if not path.endswith(".pyc"):
        return path
    try:
        return importlib.util.source_from_cache(path)
    except ValueError:
        return path


def _listed(path: str, listed: Iterable[str], root: Path) -> str:
    """The outermost folder above a data file that the stage listed, with all between: it would read a new file there.

    Folders of modules do not count: Python itself lists them.
    """
    outer = path
    for folder in map(str, PurePosixPath(path).parents):
        if folder == "." or folder not in listed or any((root / folder).glob("*.py")):
            break
        outer = folder
    return outer


def _declared(stage: str, root: Path) -> DeclaredStage | None:
    try:
        return declared_stage((root / "dvc.yaml").read_text(encoding="utf-8"), stage)
    except (OSError, UnicodeDecodeError):
        return None


def _own(stage: str, job: Job) -> Sequence[str]:
    """What the spec declares in addition: `reads.lock` may have it from an earlier run."""
    data = job.get(DataSpec)
    return data.deps if stage == "data" and data is not None else ()


def _known(root: Path) -> dict[str, tuple[str, ...]]:
    file = root / reads.FILE
    return reads.parse(file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else {}


def _record(known: Mapping[str, tuple[str, ...]], stage: str, paths: tuple[str, ...], root: Path) -> None:
    updated = {name: rows for name, rows in {**known, stage: paths}.items() if rows}
    if updated == dict(known):
        return
    if updated:
        write_text(root / reads.FILE, reads.dump(updated))
    else:
        (root / reads.FILE).unlink(missing_ok=True)


def _warnings(stage: str, job: Job, new: Sequence[str]) -> Iterator[str]:
    data = job.get(DataSpec)
    if not new:
        return
    names = ", ".join(new)
    called = [s for s in data.sources.values() if is_callable(s)] if data is not None and stage == "data" else []
    if called and data is not None:
        deps = flow_list([*data.deps, *new])
        function = ", ".join(called)
        yield f"{function} reads {names}, which the spec does not declare; add to its section `data`: deps: {deps}"
    else:
        yield f"the spec does not declare {names}; {reads.FILE} now lists it as an input of {stage}"
