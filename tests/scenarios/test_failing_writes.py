"""Every operation of the writer fails, or is the last one before a kill, at every step: the tree is whole, and the next
command works."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import MlspecError
from mlspec.workspace.operations import Operations
from mlspec.workspace.roots import Roots
from mlspec.workspace.writer import recover, unfinished
from tests.workspace.faulty import CALLS, Faulty, Killed, Verdict, apart, failing, failing_below, killed
from tests.workspace.test_writer import NEW, OLD, old_project
from tests.workspace.trees import Content, build, file, snapshot

LAYOUTS: dict[str, Callable[[Verdict], Verdict]] = {"one": lambda verdict: verdict, "apart": apart}
ALIKE = (errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS)
"""Failures that the writer tells apart by their words alone: each step meets one of them, in turn."""
CODES = {"alike": ALIKE, "ENAMETOOLONG": (errno.ENAMETOOLONG,), "ENOENT": (errno.ENOENT,)}
pytestmark = pytest.mark.slow
HALF = "only some generated files were changed"


@dataclass
class Bench:
    """A project that can be made anew, with the snapshots of its old tree and of its new one."""

    template: Path
    roots: Roots
    old: dict[str, Content]
    new: dict[str, Content]

    def renew(self) -> None:
        shutil.rmtree(self.roots.project, ignore_errors=True)
        shutil.copytree(self.template, self.roots.project)

    def write(self, operations: Operations) -> str:
        """What a build of the new tree says."""
        return error_text(lambda: build(NEW, self.roots, operations=operations))

    @property
    def tree(self) -> dict[str, Content]:
        return snapshot(self.roots.project)

    def nothing_left(self) -> None:
        state = self.roots.project / ".mlspec"
        assert {path.name for path in state.rglob("*")} <= {".gitignore", "pending"}
        assert not unfinished(self.roots)

    def works_again(self) -> None:
        """The next command finds one tree or the other, and another one can be built."""
        recover(self.roots, Faulty())
        assert self.tree in (self.old, self.new)
        self.nothing_left()
        build([*NEW, file("other.txt")], self.roots, operations=Faulty())
        assert (self.roots.project / "other.txt").is_file()
        self.nothing_left()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    trees = []
    for name in ("old", "new"):
        project = tmp_path / name
        project.mkdir()
        old_project(project, Roots(project, project))
        if name == "new":
            build(NEW, Roots(project, project))
        trees.append(snapshot(project))
    project = tmp_path / "project"
    return Bench(tmp_path / "old", Roots(project, project), *trees)


def error_text(work: Callable[[], object]) -> str:
    """The message and the help that `work` ends with; empty where it succeeds."""
    try:
        work()
    except MlspecError as error:
        assert error.help
        return f"{error.message}\n{error.help}"
    except Killed:
        return "killed"
    return ""


def each(
    work: Callable[[Operations], str], verdict: Callable[[int], Verdict], stride: int = 1
) -> Iterator[tuple[int, str, str]]:
    """Step, its operation, and what `work` says, with each (or every `stride`th) of its operations at fault in turn."""
    for step in range(1, 2000, stride):
        operations = Faulty(verdict(step))
        text = work(operations)
        if len(operations.steps) < step:
            return
        yield step, operations.steps[step - 1], text
    raise AssertionError("no end")


def in_turn(codes: Sequence[int], step: int) -> int:
    return codes[step % len(codes)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("codes", CODES.values(), ids=CODES)
def test_one_failure_leaves_the_old_tree(bench: Bench, codes: Sequence[int], layout: str) -> None:
    met = set()
    bench.renew()
    for step, operation, text in each(bench.write, lambda step: LAYOUTS[layout](failing(step, in_turn(codes, step)))):
        code = in_turn(codes, step)
        met.add(operation)
        where = f"{operation} at {step}: {text}"
        if code == errno.ENOENT and operation in ("open", "lstat", "rmdir"):
            pass  # not a failure but an answer: as if someone else had removed the file
        elif HALF in text:
            assert unfinished(bench.roots), where
        elif text:
            assert bench.tree == bench.old, where
        else:
            assert bench.tree == bench.new, where
        if code != errno.ENOENT:
            bench.works_again()
        bench.renew()
    assert met >= CALLS - {"utime", "rmdir", "listdir"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_failures_without_end_leave_what_the_next_command_makes_whole(bench: Bench, layout: str) -> None:
    bench.renew()

    def lasting(step: int) -> Verdict:
        return LAYOUTS[layout](failing(step, in_turn(ALIKE, step), lasting=True))

    for step, operation, text in each(bench.write, lasting):
        assert text or bench.tree == bench.new, f"{operation} at {step}"
        assert HALF in text or bench.tree in (bench.old, bench.new), f"{operation} at {step}: {text}"
        bench.works_again()
        bench.renew()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_kill_at_any_step_leaves_what_the_next_command_makes_whole(bench: Bench, layout: str) -> None:
    bench.renew()
    for step, operation, _ in each(bench.write, lambda step: LAYOUTS[layout](killed(step))):
        recover(bench.roots, Faulty())
        assert bench.tree in (bench.old, bench.new), f"{operation} at {step}"
        bench.works_again()
        bench.renew()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("second", ["kill", "failure", "lasting failure"])
@pytest.mark.parametrize("first", range(24, 100, 15))
def test_a_kill_followed_by_a_failed_recovery(bench: Bench, first: int, second: str, layout: str) -> None:
    verdicts: dict[str, Callable[[int], Verdict]] = {
        "kill": killed,
        "failure": lambda step: failing(step, errno.EIO),
        "lasting failure": lambda step: failing(step, errno.EROFS, lasting=True),
    }

    def killed_then_recovered(operations: Operations) -> str:
        bench.renew()
        bench.write(Faulty(LAYOUTS[layout](killed(first))))
        return error_text(lambda: recover(bench.roots, operations))

    for step, operation, text in each(killed_then_recovered, lambda step: LAYOUTS[layout](verdicts[second](step)), 3):
        where = f"{operation} at {step} after a kill at {first}: {text}"
        if text != "killed" and HALF not in text:
            assert bench.tree in (bench.old, bench.new), where
        bench.works_again()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "part", ["made", "deep/create.txt", "update.txt", "gone", ".dockerignore", "mlspec.lock", "run.sh"]
)
def test_a_path_that_can_never_be_written_is_rolled_back_in_build_and_in_recovery(
    bench: Bench, part: str, layout: str
) -> None:
    """Whatever was killed on its way, the next command ends with the old tree and is not in anybody's way."""
    never = LAYOUTS[layout](failing_below(part, errno.EPERM))
    for step in (0, *range(20, 90, 4)):
        bench.renew()
        if step:
            bench.write(Faulty(LAYOUTS[layout](killed(step))))
            started = any("commit.json" in str(p) for p in (bench.roots.project / ".mlspec").rglob("*"))
            text = error_text(lambda: recover(bench.roots, Faulty(never)))
            assert HALF not in text or bench.tree != bench.old, f"{part}, killed at {step}: {text}"
            if not started or not text:
                continue
        else:
            text = bench.write(Faulty(never))
        if HALF not in text:
            assert bench.tree == bench.old, f"{part}, killed at {step}: {text}"
            bench.nothing_left()
            build([*OLD, file("other.txt")], bench.roots, operations=Faulty())
            assert (bench.roots.project / "other.txt").is_file()
        else:
            bench.works_again()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("part", ["made", "update.txt", "gone", ".dockerignore", "run.sh"])
def test_a_file_that_cannot_be_restored_does_not_keep_the_others_from_it(bench: Bench, part: str, layout: str) -> None:
    """The lock, which is written last, fails; from then on what lies at `part` cannot be changed any more."""
    lock, stuck = failing_below("mlspec.lock", errno.EPERM), failing_below(part, errno.EPERM)
    failures: list[BaseException] = []

    def verdict(count: int, name: str, arguments: tuple[Any, ...]) -> BaseException | None:
        raised = lock(count, name, arguments)
        if raised is not None:
            failures.append(raised)
        return raised or (stuck(count, name, arguments) if failures else None)

    def others(tree: dict[str, Content]) -> dict[str, Content]:
        return {path: content for path, content in tree.items() if part not in path and not path.endswith(".partial")}

    bench.renew()
    assert HALF in bench.write(Faulty(LAYOUTS[layout](verdict)))
    assert others(bench.tree) == others(bench.old)
    bench.works_again()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_copy_that_a_kill_cut_short_is_not_restored(bench: Bench, number: int, layout: str) -> None:
    copying: list[str] = []

    def verdict(_: int, name: str, arguments: tuple[Any, ...]) -> BaseException | None:
        if name == "open" and f"old-{number}" in arguments[0]:
            copying.append(name)
        return Killed() if name == "write" and copying else None

    bench.renew()
    bench.write(Faulty(apart(verdict)))
    assert copying
    text = error_text(lambda: recover(bench.roots, Faulty(LAYOUTS[layout](failing_below("mlspec.lock", errno.EPERM)))))
    assert text
    assert bench.tree == bench.old
    bench.nothing_left()


def test_a_name_that_is_too_long_is_rolled_back_on_a_real_disk(bench: Bench) -> None:
    bench.renew()
    for path in (f"conf/deep/{'a' * 300}.yaml", f"{'b' * 300}/x.yaml", f"conf/{'/'.join(['c' * 250] * 17)}/x"):
        with pytest.raises(MlspecError, match="too long") as raised:
            build([*NEW, file(path)], bench.roots)
        assert "shorten" in raised.value.help
        assert bench.tree == bench.old
        bench.nothing_left()


def test_a_folder_that_appears_during_a_write_is_rolled_back_in_recovery(bench: Bench) -> None:
    bench.renew()
    bench.write(Faulty(lambda count, name, arguments: Killed() if "new-" in str(arguments[:1]) else None))
    assert unfinished(bench.roots)
    way = bench.roots.project / "run.sh"
    way.unlink()
    way.mkdir()
    with pytest.raises(MlspecError, match="is a folder"):
        recover(bench.roots)
    bench.nothing_left()
    way.rmdir()
    build(NEW, bench.roots)
    assert bench.tree == bench.new


def test_a_record_that_cannot_be_read_is_not_thrown_away(bench: Bench) -> None:
    bench.renew()
    for _, operation, text in each(
        lambda operations: error_text(lambda: recover(bench.roots, operations)), lambda step: failing(step, errno.EIO)
    ):
        assert text, operation
    bench.write(Faulty(lambda count, name, arguments: Killed() if "new-1" in str(arguments[:1]) else None))
    for step in range(1, 7):
        text = error_text(partial(recover, bench.roots, Faulty(failing(step, errno.EIO, lasting=True))))
        assert HALF in text
    recover(bench.roots)
    assert bench.tree == bench.new


def test_the_project_folder_vanishes(bench: Bench) -> None:
    bench.renew()

    def verdict(count: int, name: str, arguments: tuple[object, ...]) -> None:
        if count == 60:
            shutil.rmtree(bench.roots.project)

    assert HALF in bench.write(Faulty(verdict))
    bench.renew()
    bench.works_again()
