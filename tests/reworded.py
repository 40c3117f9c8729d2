"""mlspec with every message in other words, and what it does then, as one JSON document.

`python -m tests.reworded FOLDER [reworded]` runs the same scenarios in FOLDER with the texts of mlspec or with texts whose
words are all reversed. The document has what they decide: codes and positions, exit codes, statuses, stages that run,
moves of traffic, sections of the report; `texts` has the messages themselves.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

POSITIONS: dict[str, tuple[int, ...]] = {
    "Finding": (2, 3), "Diagnostic": (1, 4), "Reason": (1,), "Capability": (2, 3), "MissingRequirement": (0, 1),
    "warn": (0, 1), "decide": (0,), "stopped_with": (0,), "say": (0,), "_say": (0,), "out": (0,), "progress": (0,),
    "suggest": (2,), "CompositionError": (2, 3), "ConflictError": (0,),
}  # fmt: skip
"""The arguments of a call that are text for people; of every exception it is the first."""
KEYWORDS = {"message", "help", "text", "why", "detail", "fix", "breaking", "held"}
"""Arguments and variables that are text for people."""
CONTEXT = {"what", "help"}
"""Keys of the context of a PydanticCustomError that are text for people."""


def other(text: str) -> str:
    """Every word reversed; placeholders in braces stay."""
    return re.sub(r"\{[^{}]*\}|[A-Za-z]{2,}", lambda m: m[0] if m[0][0] == "{" else m[0][::-1], text)


class Reword(ast.NodeTransformer):
    """Rewords the literals of a module that are messages: in calls, in variables of that name, and returned prose."""

    count = 0

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name == "PydanticCustomError":
            self._context(node.args[2:])
            return node
        error = name.endswith("Error") and name[0].isupper()
        for place in POSITIONS.get(name, (0,) if error else ()):
            if place < len(node.args):
                self._reword(node.args[place])
        if name in POSITIONS or error:
            for keyword in node.keywords:
                if keyword.arg in KEYWORDS:
                    self._reword(keyword.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        self.generic_visit(node)
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=value) if name in KEYWORDS:
                self._reword(value)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for target, value in zip(names, values, strict=False):
                    if isinstance(target, ast.Name) and target.id in KEYWORDS:
                        self._reword(value)
        return node

    def visit_Return(self, node: ast.Return) -> ast.Return:
        self.generic_visit(node)
        parts = node.value.values if isinstance(node.value, ast.JoinedStr) else [node.value]
        prose = [str(part.value) for part in parts if isinstance(part, ast.Constant)]
        if any(re.search(r"[a-z] [a-z]", text) and not text.startswith("mlspec run") for text in prose):
            self._reword(ast.Tuple(parts))
        return node

    def _context(self, arguments: Sequence[ast.expr]) -> None:
        for argument in arguments:
            if isinstance(argument, ast.Dict):
                for key, value in zip(argument.keys, argument.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value in CONTEXT:
                        self._reword(value)

    def _reword(self, node: ast.AST) -> None:
        """The literals that the text is composed of; those inside of placeholders and calls stay."""
        match node:
            case ast.Constant(value=str(text)):
                node.value = other(text)
                self.count += node.value != text
            case ast.JoinedStr(values=values) | ast.Tuple(elts=values):
                for value in values:
                    self._reword(value)
            case ast.BinOp(left=left, right=right):
                self._reword(left)
                self._reword(right)
            case ast.IfExp(body=body, orelse=orelse):
                self._reword(body)
                self._reword(orelse)
            case ast.BoolOp(values=values):
                for value in values:
                    self._reword(value)


class RewordingLoader(importlib.machinery.SourceFileLoader):
    """Compiles a module of mlspec with its messages reworded; neither reads nor writes bytecode."""

    rewords = 0

    def get_code(self, fullname: str) -> object:  # type: ignore[override]
        path = self.get_filename(fullname)
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
        reword = Reword()
        tree = ast.fix_missing_locations(reword.visit(tree))
        RewordingLoader.rewords += reword.count
        return compile(tree, path, "exec", dont_inherit=True)


class RewordingFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of mlspec."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("mlspec."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin and spec.origin.endswith(".py"):
            spec.loader = RewordingLoader(fullname, spec.origin)
        return spec


def specs() -> tuple[object, list[str]]:
    """Codes, places and severities of the diagnostics of every bad spec."""
    from mlspec.compiler import compile_project
    from mlspec.errors import SpecError

    known, texts = {}, []
    for file in sorted(Path(__file__).parent.glob("golden/bad/*.yaml")):
        try:
            diagnostics = compile_project(file).warnings
        except SpecError as error:
            diagnostics = error.diagnostics
        known[file.stem] = [(d.code, d.severity, d.span) for d in diagnostics]
        texts += [d.message for d in diagnostics]
    return known, texts


def commands(root: Path) -> tuple[object, list[str]]:
    """Exit codes of commands, and what the documents of those with `--json` decide."""
    from mlspec.cli.app import main

    root.mkdir()
    (root / "mlproject.yaml").write_bytes(
        (Path(__file__).parents[1] / "specs" / "minimal" / "mlproject.yaml").read_bytes()
    )
    os.chdir(root)
    results, texts = [], []

    def run(*command: str) -> object:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(list(command))
        texts.append(err.getvalue())
        results.append((command, code))
        return json.loads(out.getvalue()) if "--json" in command else None

    document = run("plan", "--json")
    run("build")
    run("build", "--check")
    (root / "dvc.yaml").write_text("stages: {}\n")
    run("build")
    run("build", "--check")
    run("build", "--overwrite", "dvc.yaml")
    run("apply", "--until", "no-such-stage")
    run("apply", "--only", "train", "--force", "data")
    run("run", "no-such-stage")
    run("logs", "train")
    run("report")
    run("explain", "no-such-code")
    run("run", "data", "model.no_such_key=1")
    run("run", "data", "data.splits.test=7")
    run("run", "data")
    run("status", "--json")
    (root / "mlproject.yaml").write_text("project: {name: [}\n")
    run("build")
    run("doctor", "--json")
    assert isinstance(document, dict)
    decided = [
        {key: value for key, value in stage.items() if key not in ("reason", "lacks")} for stage in document["stages"]
    ]
    return (results, [(file["path"], file["action"]) for file in document["files"]], decided), texts


def pipeline(root: Path) -> tuple[object, list[str]]:
    """A run whose stages end in every way: statuses, kinds, exit code, groups, journal, shape of the report."""
    from mlspec.apply.summary import exit_code, missing_requirements
    from tests.scenarios.test_messages_decide_nothing import ran

    plan, result, journal = ran(root, reworded=False)
    assert result.report is not None
    page = result.report.read_text(encoding="utf-8")
    ends = [(o.stage, o.status, o.reason.kind) for o in result.outcomes]
    groups = sorted(missing_requirements(result.outcomes).values())
    last = {name: outcome.status for name, outcome in journal.last().items()}
    tags = [page.count(tag) for tag in ("<section", "<tr", "<li", "<svg")]
    steps = [(s.stage.name, s.certain, s.lacks is not None) for s in plan.schedule.steps]
    return (ends, exit_code(result), groups, last, tags, steps), []


def rollouts() -> tuple[object, list[str]]:
    """Moves of the alias and events of rollouts, with a good version, a bad one, and one that was rolled back."""
    from mlspec.aws.alias import Alias
    from mlspec.errors import StageError
    from tests.shipping.rollout.world import Behaviour, World, plan

    known, texts = [], []
    for behaviour in (Behaviour(), Behaviour(error_rate=0.2), Behaviour(p95_ms=900)):
        for strategy in ("all-at-once", "blue-green", "canary", "linear"):
            world = World(Alias("live", "1", revision="0"), {"2": behaviour})
            try:
                world.course(plan(strategy)).run()
            except StageError as error:
                texts.append(error.message)
            known.append((strategy, world.wrote, [(kind, version) for kind, version, _ in world.events]))
            texts += world.lines
    return known, texts


def behaviour(folder: Path) -> dict[str, object]:
    """What every scenario decides, and the texts of all."""
    results = {
        "specs": specs(), "rollouts": rollouts(), "pipeline": pipeline(folder / "pipeline"),
        "commands": commands(folder / "commands"),
    }  # fmt: skip
    return {
        "decided": {name: decided for name, (decided, _) in results.items()},
        "texts": {name: texts for name, (_, texts) in results.items()},
        "rewords": RewordingLoader.rewords,
    }


if __name__ == "__main__":
    if sys.argv[2:] == ["reworded"]:
        sys.meta_path.insert(0, RewordingFinder())
    print(json.dumps(behaviour(Path(sys.argv[1]).resolve()), default=str))
