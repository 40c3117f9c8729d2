"""The paths that DVC ignores: `.dvcignore` files, in the syntax of .gitignore (https://dvc.org/doc/user-guide/project-structure/dvcignore-files)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pathspec import GitIgnoreSpec

NAME = ".dvcignore"
_ALWAYS = (".hg/", ".git/", ".git", ".dvc/")


class Ignores:
    """The patterns that apply in a project; `read` returns a file's text by its path, None where it does not exist."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        self._read = read
        self._specs: dict[str, GitIgnoreSpec | None] = {}

    def ignored(self, path: str, *, folder: bool = False) -> bool:
        """Whether DVC ignores a file or folder, given that it does not ignore the folders above it."""
        shown = f"{path}/" if folder else path
        ignored = False
        for above in _above(path):
            spec = self._spec(above)
            if spec is None:
                continue
            result = spec.check_file(shown[len(above) + 1 :] if above else shown)
            if result.include is not None:
                ignored = result.include
        return ignored

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            text = self._read(f"{folder}/{NAME}" if folder else NAME)
            lines = ([] if folder else list(_ALWAYS)) + (text or "").splitlines()
            self._specs[folder] = GitIgnoreSpec.from_lines(lines) if lines else None
        return self._specs[folder]


def _above(path: str) -> Sequence[str]:
    """`a/b/c` is in the project's folder `""`, in `a` and in `a/b`."""
    steps = path.split("/")[:-1]
    return ["", *("/".join(steps[: n + 1]) for n in range(len(steps)))]
