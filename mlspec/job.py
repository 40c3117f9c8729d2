"""The input of a stage's body (`parts/*/work.py`): the composed configuration and the folders to read and write.

A body is `def main(job: Job) -> float | None`; a returned number is the objective of a sweep. It may raise `StageError`
for errors that the user can fix; its output goes to the stage's log.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TypeVar

from pydantic import BaseModel, JsonValue

from mlspec.errors import MlspecError, StageError
from mlspec.stage_context import StageContext

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class Job:
    """One run of one stage program."""

    root: Path
    """The project folder, absolute."""
    inputs: Path
    """`artifacts/` to read from, absolute."""
    outputs: Path
    """`artifacts/` to write to: the same folder, or in a sweep a separate folder of this job."""
    config: Mapping[str, JsonValue]
    """The composed Hydra configuration as plain data: the spec's sections after overrides."""
    sections: Mapping[str, BaseModel]
    """The same, validated: an invalid override is rejected before the body runs."""
    context: StageContext = field(default_factory=StageContext)
    """What the command that started the stage passes on."""

    def get(self, section: type[S]) -> S | None:
        """The section of that model, or None if the spec does not have it."""
        return next((s for s in self.sections.values() if isinstance(s, section)), None)

    def need(self, section: type[S]) -> S:
        """The section of that model. Raises KeyError if the spec does not have it."""
        value = self.get(section)
        if value is None:
            raise KeyError(section.__name__)
        return value

    @property
    def scratch(self) -> Path:
        """A folder for unfinished work that survives a kill; ignored by git and DVC."""
        folder = self.root / ".mlspec" / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@contextmanager
def user_code(root: Path, what: str, who: str = "") -> Iterator[None]:
    """Run the user's code: its exceptions become a StageError with the frames of the user's files only.

    Exceptions of mlspec are not changed, nor those of libraries that mlspec called. An exception of a library that
    works on the user's object `who`, without a frame in the user's files, is reported with the name of the library.
    """
    try:
        yield
    except MlspecError:
        raise
    except Exception as error:
        frames = own_frames(error, root)
        message = f"{what} raised {type(error).__name__}: {error}".rstrip(": ")
        if frames:
            places = [shown_frame(frame, root) for frame in frames]
            raise StageError("\n  ".join([message, *places]), help="fix the project's code at these lines") from None
        if _fault_of_mlspec(error, root):
            raise
        help = f"check the inputs and the results of {who or what}; the error is not in a line of the project"
        raise StageError(message + _library(error), help=help) from None


def _fault_of_mlspec(error: BaseException, root: Path) -> bool:
    """Whether mlspec's code failed, or a library that it called without an object of the project."""
    way = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if not _standard(frame.f_code.co_filename)]
    last = max((at for at, frame in enumerate(way) if _ours(frame.f_code.co_filename)), default=0)
    # Two frames: `user_code`, and the `with` block that looks up or calls the user's object.
    return last >= _DIRECT and not any(_for_project(frame, root) for frame in way[last + 1 :])


def _for_project(frame: FrameType, root: Path) -> bool:
    """Whether a library's frame works on an object of a class of the project, or pickles its argument."""
    if frame.f_globals.get("__name__") in _STORING:
        return True
    subject = frame.f_locals.get("self")
    # A DataLoader passes its dataset and functions to other processes.
    held = vars(subject).values() if frame.f_globals.get("__name__") == _LOADING and subject is not None else ()
    modules = {str(getattr(value, "__module__", "")) for value in (subject, *held)}
    return any(_own(str(getattr(sys.modules.get(name), "__file__", "")), root) for name in modules)


def own_frames(error: BaseException, root: Path) -> list[traceback.FrameSummary]:
    """The frames of an exception in the project's files, the innermost last.

    Empty if mlspec's code was called below the last of them: then the failing call is not the project's.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [at for at, frame in enumerate(frames) if _own(frame.filename, root)]
    if not own or any(_ours(frame.filename) for frame in frames[own[-1] + 1 :]):
        return []
    return [frames[at] for at in own]


def shown_frame(frame: traceback.FrameSummary, root: Path) -> str:
    """`src/model.py:12 in forward: return self.head(x)`."""
    place = Path(frame.filename).resolve().relative_to(root.resolve()).as_posix()
    return f"{place}:{frame.lineno} in {frame.name}: {frame.line}"


def _library(error: BaseException) -> str:
    """` (in PACKAGE)`: the package of the innermost frame outside Python and mlspec, or of the exception."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        file = frame.f_code.co_filename
        if _ours(file):
            break
        parts = Path(file).parts
        installed = [at for at, part in enumerate(parts) if part in _INSTALLED]
        if installed:
            return f" (in {parts[installed[-1] + 1].removesuffix('.py')})"
        # Compiled code names a file that does not exist, such as `pyarrow/table.pxi`.
        if not _standard(file) and (package := _package(frame.f_globals.get("__name__"))):
            return f" (in {package})"
    package = _package(type(error).__module__)
    return f" (in {package})" if package else ""


def _package(module: object) -> str:
    """The package of a module by its dotted name; `""` for the standard library."""
    name = str(module or "").partition(".")[0]
    return "" if name in sys.stdlib_module_names or name in ("", "__main__", "mlspec") else name


_DIRECT = 2
_STORING = ("torch.serialization",)
"""Modules that pickle objects, which fails for some objects of the user."""
_LOADING = "torch.utils.data.dataloader"
_INSTALLED = {"site-packages", "dist-packages"}
_PACKAGE = Path(__file__).resolve().parent


def _standard(filename: str) -> bool:
    """Whether a frame's file is of Python's standard library, or has no file."""
    folder = sysconfig.get_path("stdlib")
    installed = _INSTALLED & set(Path(filename).parts)
    return filename.startswith("<") or (Path(filename).is_relative_to(folder) and not installed)


def _ours(filename: str) -> bool:
    return Path(filename).is_absolute() and Path(filename).resolve().is_relative_to(_PACKAGE)


def _own(filename: str, root: Path) -> bool:
    """Whether a frame's file is in the project: not `<string>`, and not the source name of a compiled library."""
    if not Path(filename).is_absolute() or _ours(filename):
        return False
    path, top = Path(filename).resolve(), root.resolve()
    if not path.is_relative_to(top) or not path.is_file():
        return False
    environment = Path(sys.prefix).resolve()
    installed = environment.is_relative_to(top) and environment != top and path.is_relative_to(environment)
    return not installed and not (_INSTALLED | {".venv", "venv", ".mlspec"}) & set(path.relative_to(top).parts)


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path` atomically; keys keep their order."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to. It replaces `path` if the block succeeds, and is removed otherwise.

    The length of its name does not depend on `path`; the generated `.gitignore` has a pattern for files left by a kill.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name[:50]}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def fresh(folder: Path) -> Path:
    """An empty folder beside `folder`, to fill and then to `swap`; it replaces one that a killed run left.

    If a process was killed between the two steps of a `swap`, the old folder is restored first.
    """
    place = folder.resolve()
    partial, old = place.with_name(f".{place.name}.partial"), place.with_name(f".{place.name}.old")
    if old.exists() and not place.exists():
        old.rename(place)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def swap(partial: Path, folder: Path) -> None:
    """Replace `folder` by the complete folder `partial`; if that fails, the old folder is restored."""
    folder = folder.resolve()
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        partial.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
