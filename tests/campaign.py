"""One damaged spec after another, built over the tree of the one before it: the build is whole, or nothing changed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import yaml

from mlspec.compiler import Build, compile_project
from mlspec.diagnostics import Diagnostic, render
from mlspec.errors import ConflictError, MlspecError, SpecError
from mlspec.explain import explanations
from mlspec.source.reader import BREAK
from mlspec.workspace.compare import compare
from mlspec.workspace.lock import read_lock
from mlspec.workspace.roots import Roots
from mlspec.workspace.writer import unfinished, write
from tests.mutations import bases, damage, loaded, place
from tests.workspace.trees import snapshot

FRAGMENTS = (
    "\0",
    "\x1b",
    "\x85",
    "\u009b",
    "\u2028",
    "\ufffe",
    "\t",
    "\n",
    "<<: [*a]",
    "&a ",
    "*a",
    "- ",
    ": ",
    "'",
    '"',
    "#",
    "{",
    "]",
    "é",
)


class Campaign:
    """The projects that damaged specs are built into, one for each base spec, and what has been counted."""

    def __init__(self, folder: Path) -> None:
        self._known = frozenset(explanations())
        self._folders: dict[str, Path] = {}
        self.counts: Counter[str] = Counter()
        for number, name in enumerate(sorted(bases())):
            self._folders[name] = folder / str(number)
            self._folders[name].mkdir()
            place(name, self._folders[name])

    def run(self, seeds: Iterable[int]) -> None:
        """Build one damaged spec for each seed. Raises AssertionError, naming the seed, where one ends badly."""
        for seed in seeds:
            try:
                self.counts[self._one(seed)] += 1
            except Exception as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error

    def _one(self, seed: int) -> str:
        dice = random.Random(seed)
        name = dice.choice(sorted(self._folders))
        text, environment = _damaged(name, dice)
        spec = self._folders[name] / "mlproject.yaml"
        spec.write_bytes(text)
        try:
            build = compile_project(spec, environment)
        except SpecError as error:
            assert any(d.severity == "error" for d in error.diagnostics)
            lines = BREAK.split(text.decode("utf-8-sig", "replace"))
            for diagnostic in error.diagnostics:
                self._in_good_form(diagnostic, lines)
            return "refused"
        return self._write(build, Roots(spec.parent, spec.parent))

    def _write(self, build: Build, roots: Roots) -> str:
        before = snapshot(roots.project)
        changes = compare(build.files, roots, read_lock(roots))
        try:
            write(changes, roots)
        except ConflictError:
            raise
        except MlspecError as error:
            assert error.help, error.message
            assert snapshot(roots.project) == before, "a mixture"
            assert not unfinished(roots)
            return "not written"
        assert not unfinished(roots)
        again = compare(build.files, roots, read_lock(roots))
        assert not again.changed, again.summary()
        return "built"

    def _in_good_form(self, diagnostic: Diagnostic, lines: list[str]) -> None:
        assert diagnostic.code in self._known, diagnostic
        assert diagnostic.message.strip()
        assert diagnostic.message.isprintable(), diagnostic
        assert render(diagnostic)
        span = diagnostic.span
        assert span is not None, diagnostic
        assert 1 <= span.line <= len(lines), diagnostic
        assert 1 <= span.column <= len(lines[span.line - 1]) + 1, diagnostic


def _damaged(name: str, dice: random.Random) -> tuple[bytes, str | None]:
    """The bytes of a damaged spec, and the environment to build it for."""
    if dice.random() < 0.25:
        return _cut(bases()[name], dice), None
    spec = loaded(name)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        damage(spec, dice)
    overlays = spec.get("environments")
    odd = isinstance(overlays, dict) and isinstance(overlays.get("odd"), dict)
    return yaml.safe_dump(spec, allow_unicode=True, sort_keys=False).encode(), "odd" if odd else None


def _cut(text: str, dice: random.Random) -> bytes:
    """Bytes put into the text, or lost from it."""
    raw = text.encode()
    at = dice.randrange(len(raw))
    lost = dice.choice((0, 0, 1, 3, 30))
    return raw[:at] + dice.choice(FRAGMENTS).encode() + raw[at + lost :]
