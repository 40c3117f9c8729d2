"""`dvc.lock` and the metrics of a training as a commit on a branch of their own, for a pull request.

The checkout stays as it is: no commit on its branch, no change of its index.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.apply.apply_plan import ApplyRequest, outdated
from mlspec.compiler import Build
from mlspec.errors import StageError
from mlspec.git_program import git_text, run_git
from mlspec.records.git_commit import changed_files, read_commit

RESULTS: Final = ("dvc.lock", "artifacts")
"""What a training changes in git; DVC has the large files, and git ignores them."""
MESSAGE: Final = "Results of a training"


@dataclass(frozen=True, slots=True)
class Proposal:
    """The branch that was pushed. `files` differ from the commit below it; `messages` are lines of the git server."""

    branch: str
    commit: str
    files: tuple[str, ...]
    messages: tuple[str, ...] = ()


def propose(build: Build, request: ApplyRequest) -> Proposal | None:
    """Push the results of the checkout; None where they are those of its commit. Raises StageError."""
    root = request.where.root
    _require_current(build, request)
    base = _branch(root)
    files, commit = _commit(root)
    if not files:
        return None
    name = "-".join([build.project.info.name, *filter(None, [build.project.environment]), "training"])
    branch = f"mlspec/{name}/{base}"
    return Proposal(branch, commit, files, _push(root, commit, branch))


def _require_current(build: Build, request: ApplyRequest) -> None:
    """Raise StageError where the results are not those of the commit: stale stages, edited files."""
    old = outdated(build, request, here=True)
    if old:
        name, reason = next(iter(old.items()))
        more = f", and {len(old) - 1} more" if len(old) > 1 else ""
        environment = f" --env {build.project.environment}" if build.project.environment else ""
        message = f"the stage `{name}` is not up to date ({reason.text or reason.kind}){more}"
        raise StageError(message, help=f"run the stages first: mlspec apply{environment}")
    root = request.where.root
    if read_commit(root) is None:
        raise StageError("the project is not in a git repository with a commit", help="clone its repository")
    if changed := changed_files(root):
        message = f"the project differs from its commit in {', '.join(changed[:5])}, and so may its results"
        raise StageError(message, help="commit and push these files first, then train")


def _branch(root: Path) -> str:
    """The branch that is checked out."""
    branch = git_text(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    if branch is None:
        raise StageError("no branch is checked out, so that none can be named after it", help="git switch BRANCH")
    return branch


def _commit(root: Path) -> tuple[tuple[str, ...], str]:
    """The files that differ, and a commit of them on top of HEAD; made with an index of its own."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git(root, "read-tree", "HEAD", variables=index)
        listing = ("ls-files", "--others", "--modified", "--deleted", "--exclude-standard", "-z", "--", *RESULTS)
        paths = _git(root, *listing, variables=index)
        _git(root, "update-index", "-z", "--add", "--remove", "--stdin", variables=index, given=paths)
        changed = _git(root, "diff-index", "--cached", "--name-only", "--relative", "-z", "HEAD", variables=index)
        tree = _git(root, "write-tree", variables=index).strip()
    signed = git_text(root, "config", "--type=bool", "commit.gpgsign") == "true"
    words = ("commit-tree", tree, "-p", "HEAD", "-m", MESSAGE, *(["-S"] if signed else []))
    return tuple(filter(None, changed.split("\0"))), _git(root, *words, variables=_author(root)).strip()


def _author(root: Path) -> Mapping[str, str]:
    """The name of mlspec, where git has none."""
    if git_text(root, "config", "user.email") is not None:
        return {}
    names = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _NAMES.items()}
    return {name: value for name, value in names.items() if name not in os.environ}


_NAMES: Final = {"NAME": "mlspec", "EMAIL": "mlspec@localhost"}


def _push(root: Path, commit: str, branch: str) -> tuple[str, ...]:
    """Push the commit; return the messages of the server, such as the address that opens a pull request."""
    done = run_git(root, "push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{branch}")
    if done.returncode:
        message = f"cannot push dvc.lock to the branch {branch}: {_reason(_text(done.stderr))}"
        raise StageError(message, help="check the rights to push there; a training that was pushed to DVC is not lost")
    lines = (line.partition("remote:") for line in _text(done.stderr).splitlines())
    return tuple(text.strip() for _, mark, text in lines if mark and text.strip())


def _reason(stderr: str) -> str:
    return "; ".join(line.strip() for line in stderr.splitlines() if line.strip()) or "git reports no reason"


def _git(root: Path, *words: str, variables: Mapping[str, str] | None = None, given: str = "") -> str:
    """What git prints. Raises StageError."""
    done = run_git(root, *words, variables=variables, given=given.encode("utf-8", "surrogateescape"))
    if done.returncode:
        reason = _reason(_text(done.stderr))
        raise StageError(f"git {words[0]} failed: {reason}", help="fix the repository, then run it again")
    return _text(done.stdout)


def _text(output: bytes) -> str:
    return output.decode("utf-8", "surrogateescape")
