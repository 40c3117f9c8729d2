"""The rules of docs/architecture/00-overview.md, read from the code: who imports whom, sizes, templates, words, a new part."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from mlspec.compiler import compile_project
from mlspec.parts.all_parts import PARTS
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage
from mlspec.spec.spec_model import SpecModel
from tests.conftest import CHECKOUT
from tests.toy import Toy

PACKAGE = CHECKOUT / "mlspec"
SPECS = CHECKOUT / "specs"
HEAVY = {"boto3", "botocore", "docker", "duckdb", "dvc", "elasticsearch", "hydra", "lightning", "mlflow", "numpy", "omegaconf", "onnx",
         "onnxruntime", "optuna", "pandas", "pyarrow", "pytorch_lightning", "scipy", "sklearn", "tokenizers", "torch", "torchmetrics",
         "transformers", "wandb"}  # fmt: skip

LAYERS: tuple[str, ...] = (
    "__main__",
    "cli.commands",
    "cli",
    "apply",
    "audit",
    "testing",
    "run.plugins",
    "run.engines",
    "report",
    "run",
    "compiler",
    "drafting",
    "parts",
    "costs",
    "monitoring",
    "shipping",
    "shipping.rehearsal",
    "shipping.rollout",
    "elastic",
    "terraform",
    "serverless",
    "cloudformation",
    "aws",
    "docker",
    "dvc",
    "tracking",
    "learning",
    "runtime",
    "runtime.preprocess",
    "monitoring.queries",
    "sections",
    "starters",
    "explain",
    "workspace",
    "spec",
    "records",
    "stage_result",
    "render",
    "source",
    "job",
    "child_process",
    "git_program",
    "parent_death",
    "watch",
    "inotify",
    "stage_context",
    "target_facts",
    "plan",
    "errors",
    "diagnostics",
)
"""The layers of the package from the top to the bottom: a module imports its own layer and those below it."""

NARROW: dict[str, set[str]] = {
    "runtime": {"runtime.preprocess"},
    "runtime.preprocess": set(),
    "learning": {"errors", "job", "records", "runtime", "runtime.preprocess", "sections", "source", "spec",
                 "stage_result", "watch"},
    "tracking": {"errors", "job", "learning", "records", "render", "runtime", "runtime.preprocess", "sections", "spec", "stage_result", "watch"},
    "monitoring.queries": {"sections", "spec"},
    "sections": {"spec"},
    "plan": set(),
    "records": {"errors", "git_program", "job"},
    "aws": {"errors", "sections", "spec", "stage_result", "target_facts"},
    "elastic": {"aws", "errors", "job", "sections", "spec"},
    "terraform": {"aws", "errors"},
    "cloudformation": {"aws", "errors", "render"},
    "serverless": {"aws", "cloudformation", "errors"},
    "docker": {"errors"},
}  # fmt: skip
"""Layers that may import less than all below them: what the serving image holds, what knows nothing of a stage."""

PURE = {"mlspec.aws.alarm_settings", "mlspec.aws.cli_input", "mlspec.aws.cost_alarm", "mlspec.aws.ecr", "mlspec.aws.bucket", "mlspec.aws.owned_bucket", "mlspec.aws.resource_owner", "mlspec.aws.function_resource", "mlspec.aws.function_spec", "mlspec.aws.kms_key",
        "mlspec.aws.aws_location", "mlspec.aws.policies", "mlspec.aws.policy_document", "mlspec.aws.resource_tags",
        "mlspec.aws.resources", "mlspec.aws.stack_policy", "mlspec.dvc.params"}  # fmt: skip
"""Modules of layers with effects that have none themselves: the light modules of the parts may use them."""

LONG_FILES: dict[str, str] = {}
"""Files above 400 lines, each with the reason."""
LONG_FUNCTIONS: dict[str, str] = {}
"""Functions above 50 lines, each with the reason."""


WRITES_ELSEWHERE: dict[str, str] = {
    "mlspec.cloudformation.sam_program._parameter_file": "values of secrets, removed at the end",
    "mlspec.parts.terraform.module_preview.preview": "a folder that each plan writes afresh",
    "mlspec.parts.serverless.service_preview._preview": "a folder that each plan writes afresh",
    "mlspec.cli.bug_report.report": "a report of a crash; written again by the next",
    "mlspec.parts.test.attack_program.main": "its own stdout",
    "mlspec.parts.test.attack_program.write_stop_words": "a cache that each run writes",
    "mlspec.parts.test.attacks._program": "a log",
    "mlspec.parts.data.download._write_note": "a note that is checked when it is read",
    "mlspec.parts.data.fetch._download": "a partial download",
    "mlspec.parts.data.row_origins.write": "into a folder that is swapped in whole",
    "mlspec.parts.data.s3._put": "into a folder that is renamed once it is complete",
    "mlspec.parts.data.work._write": "into a folder that is swapped in whole",
    "mlspec.parts.package.zip_archive.pack": "the caller's partial file",
    "mlspec.parts.package.zip_archive._packed": "an archive in memory",
    "mlspec.parts.package.lambda_process._started": "a log",
    "mlspec.tracking.mlflow_journal.hold": "an empty file that is only locked",
    "mlspec.report.earlier_results._write": "into a temporary folder of its own",
    "mlspec.run.journal._add": "one row at the end, flushed; a torn row is passed over",
    "mlspec.child_process.follow": "a log",
    "mlspec.runtime.elastic_sink._keep_refused": "rows at the end; a torn row is one document that was refused anyway",
    "mlspec.runtime.elastic_spool._append": "rows at the end, cut back after a failure; a torn row is passed over",
    "mlspec.runtime.preprocess.fit.write": "into a folder that is swapped in whole",
    "mlspec.shipping.bundle_signing._private_file": "a key while it signs, which only its owner can read",
    "mlspec.shipping.rehearsal.processes.start": "a log",
    "mlspec.shipping.rehearsal.local_registry.do_PATCH": "an upload, whose digest is compared at its end",
    "mlspec.shipping.rehearsal.local_registry.do_PUT": "an upload, whose digest is compared at its end",
    "mlspec.shipping.rehearsal.local_registry._keep_manifest": "an upload, whose digest is compared at its end",
    "mlspec.shipping.rehearsal.local_registry.point": "beside the place of the file, then renamed",
    "mlspec.starters.put": "into a folder of its own, then renamed",
    "mlspec.tracking.mlflow_journal.add": "one row at the end, flushed; a torn row has no name and is passed over",
    "mlspec.workspace.build_stamp.remember": "beside the place of the file, then renamed",
}
"""Functions that open a file for writing other than in `with whole(...)`, each with the reason."""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    files = (f for f in sorted(PACKAGE.rglob("*.py")) if "_templates" not in f.parts)
    names = {".".join(("mlspec", *f.relative_to(PACKAGE).with_suffix("").parts)): f for f in files}
    return {name.removesuffix(".__init__"): file for name, file in names.items()}


MODULES = modules()
TREES = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in MODULES.items()}


@functools.cache
def imports(name: str) -> set[str]:
    """Modules that `name` imports anywhere in its text, the package's own in full."""
    actual: set[str] = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            actual |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            actual |= {full if full in MODULES else node.module for full in inner}
    return actual


def _light() -> frozenset[str]:
    """What `part.py` of all parts leads to within the parts; the rest belongs to the stages' processes."""
    actual: set[str] = set()
    left = [name for name in MODULES if re.fullmatch(r"mlspec\.parts\.\w+(\.part)?", name)]
    while left:
        name = left.pop()
        if name not in actual:
            actual.add(name)
            left += [i for i in imports(name) if i in MODULES and i.startswith("mlspec.parts.")]
    return frozenset(actual)


LIGHT = _light()


@functools.cache
def layer(name: str) -> str:
    """The layer that a module lies in: the longest entry of LAYERS that its name begins with."""
    inner = name.removeprefix("mlspec").lstrip(".")
    return max((entry for entry in LAYERS if f"{inner}.".startswith(f"{entry}.")), key=len, default="")


def test_every_module_has_a_layer() -> None:
    assert [name for name in MODULES if name != "mlspec" and not layer(name)] == []
    assert [entry for entry in LAYERS if not any(layer(name) == entry for name in MODULES)] == []


def test_imports_go_down_only() -> None:
    """Counted over all imports: those inside of functions and those for the type checker too."""
    wrong = []
    for name in sorted(set(MODULES) - {"mlspec"}):
        here = layer(name)
        below = LAYERS[LAYERS.index(here) + 1 :]
        allowed = {here, *NARROW.get(here, set(below))}
        wrong += [f"{name} ({here}) imports {i}" for i in sorted(imports(name)) if layer(i) and layer(i) not in allowed]
    assert wrong == []


EFFECTS = {
    "aws",
    "docker",
    "monitoring",
    "shipping",
    "shipping.rehearsal",
    "shipping.rollout",
    "learning",
    "tracking",
    "dvc",
    "workspace",
}


def test_what_a_build_loads_of_the_parts_is_pure() -> None:
    """Every build loads these modules."""
    assert [(name, i) for name in sorted(LIGHT) for i in imports(name) if layer(i) in EFFECTS and i not in PURE] == []


def folder(name: str) -> str:
    """The folder of a module; a single file beside the packages stands for itself."""
    outer = ".".join(name.split(".")[:-1])
    single = outer in ("mlspec", "mlspec.parts") and MODULES[name].name != "__init__.py"
    return name if single or MODULES[name].name == "__init__.py" else outer


def test_no_folder_imports_itself_through_another() -> None:
    """Folders too have one direction, counted over all imports."""
    graph: dict[str, set[str]] = {}
    for name in MODULES:
        others = {folder(i) for i in imports(name) if i in MODULES}
        graph.setdefault(folder(name), set()).update(others - {folder(name)})
    _require_acyclic(graph)


def test_no_module_imports_a_stage_body() -> None:
    """`work.py` is loaded by name, in a process of its own."""
    wrong = {
        (name, i)
        for name in MODULES
        for i in imports(name)
        if i.endswith(".work") and name.rsplit(".", 1)[0] != i.rsplit(".", 1)[0]
    }
    assert not wrong


def test_no_import_cycle() -> None:
    """Counted over all imports: those of functions and for the type checker too."""
    graph = {name: {i for i in imports(name) if i in MODULES and i != name} for name in MODULES}
    _require_acyclic(graph)


def _require_acyclic(graph: dict[str, set[str]]) -> None:
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in sorted(graph.get(name, ())):
                walk(other, (*path, name))
            done.add(name)

    for name in graph:
        walk(name, ())


def test_class_names_are_unique() -> None:
    classes = Counter(n.name for tree in TREES.values() for n in ast.walk(tree) if isinstance(n, ast.ClassDef))
    assert [name for name, count in classes.items() if count > 1] == []


def test_module_names_are_unique() -> None:
    """But for those that are named after what users type: commands, sections, and the two modules of each part."""
    typed = {"__init__", "part", "work", "mlspec"}
    named = [
        f for name, f in MODULES.items() if layer(name) not in ("cli.commands", "sections") and f.stem not in typed
    ]
    stems = Counter(f.stem for f in named)
    assert [name for name, count in stems.items() if count > 1] == []


def test_sizes() -> None:
    files = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in MODULES.items()}
    long_files = {name for name, lines in files.items() if lines > 400}
    functions = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    long_functions = {name for name, lines in functions.items() if lines > 50}
    assert long_files == set(LONG_FILES)
    assert long_functions == set(LONG_FUNCTIONS)
    assert sorted(files.values())[len(files) // 2] < 100
    assert sorted(functions.values())[len(functions) // 2] <= 12


def _is_table(statement: ast.stmt) -> bool:
    """Whether it assigns a literal of rows: only there an aligned layout reads better than the formatter's."""
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    if isinstance(value, ast.Call) and value.args:
        value = value.args[0]
    return isinstance(value, ast.Tuple | ast.List | ast.Dict | ast.Set | ast.Subscript)


def test_only_tables_have_a_layout_of_their_own() -> None:
    texts = {name: file.read_text(encoding="utf-8") for name, file in MODULES.items()}
    for name in [name for name, text in texts.items() if "# fmt: skip" in text]:
        statements = [node for node in ast.walk(TREES[name]) if isinstance(node, ast.stmt)]
        for number, line in enumerate(texts[name].splitlines(), 1):
            if line.endswith("# fmt: skip"):
                around = [s for s in statements if s.lineno <= number <= (s.end_lineno or 0)]
                assert _is_table(max(around, key=lambda s: s.lineno)), f"{name}:{number}: {line.strip()}"


def test_every_folder_of_templates_is_used() -> None:
    """A folder of templates that no code names is a target that nobody registered."""
    code = "\n".join(file.read_text(encoding="utf-8") for file in MODULES.values())
    folders = {f.name for f in (CHECKOUT / "templates").iterdir() if f.is_dir()}
    assert {f for f in folders if f'"{f}/' not in code and f"'{f}/" not in code and f'"{f}"' not in code} == set()


def test_every_template_is_used() -> None:
    """A template that no spec here renders, no code names and no other template includes is dead."""
    specs = sorted(SPECS.rglob("mlproject.yaml"))
    used = {artifact.template for spec in specs for artifact in compile_project(spec).plan.artifacts}
    used |= {text for tree in TREES.values() for text in _strings(tree) if text.endswith(".j2")}
    root = CHECKOUT / "templates"
    names = {f.relative_to(root).as_posix() for f in root.rglob("*.j2") if f.relative_to(root).parts[0] != "init"}
    larger = True
    while larger:
        texts = [(root / name).read_text(encoding="utf-8") for name in sorted(used & names)]
        more = {name for name in names - used if any(_includes(text, name) for text in texts)}
        used, larger = used | more, bool(more)
    assert sorted(names - used) == []


def _strings(tree: ast.AST) -> Iterator[str]:
    yield from (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def _includes(text: str, template: str) -> bool:
    """By its name, or by that of its folder joined to a variable."""
    return template in text or f"'{template.rsplit('/', 1)[0]}/' ~" in text


NAMED_BY_VALUE: dict[str, str] = {
    "Split.test": "the name of a split",
    "TrackSpec.mlflow": "TrackSpec.trackers",
    **{f"AbortIf.{name}": "RequestBounds.given" for name in ("p50_ms", "p99_ms", "throttle_rate")},
    **{f"Alarms.{name}": "RequestBounds.given" for name in ("p50_ms", "p99_ms", "throttle_rate")},
}
"""Keys of `conf/` that no code of a stage names as an attribute, each with what reads it."""


def test_a_stage_reads_every_key_of_conf() -> None:
    """A key that only decides what is generated could be overridden for a run, without any effect."""
    bodies = {body.partition(":")[0] for part in PARTS for body in part.PROGRAMS.values()}
    bodies |= {name for name in MODULES if layer(name) == "tracking"}  # imported by the name of the tracker
    read = {
        node.attr
        for name in _reached({*bodies, "mlspec.run.program", "mlspec.run.sweeper"})
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Attribute)
    }
    sections = compile_project(SPECS / "full" / "mlproject.yaml").project.sections
    groups = {name: model for name, model in sections.items() if getattr(model, "READ_BY_STAGES", True)}
    keys = {key for model in groups.values() for key in _keys(model)}
    assert {key for key in keys if key.rpartition(".")[2] not in read} == set(NAMED_BY_VALUE)


def _reached(names: set[str]) -> set[str]:
    """The modules, and those that they import."""
    seen: set[str] = set()
    left = {*names}
    while left:
        name = left.pop()
        seen.add(name)
        left |= {module for module in imports(name) if module in MODULES} - seen
    return seen


def _keys(value: object) -> Iterator[str]:
    """The keys that a stage reads, with the names of their models."""
    if isinstance(value, SpecModel):
        for name in type(value).model_fields:
            if name not in value.unread_keys():
                yield f"{type(value).__name__}.{name}"
                yield from _keys(getattr(value, name))
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _keys(inner)


CALLED_BY_LIBRARIES = {"_load_pyfunc": "MLflow"}


def test_every_function_and_class_is_used() -> None:
    """What only tests use is dead. Commands are used by their decorator, and methods may be those of a library."""
    code = "\n".join(file.read_text(encoding="utf-8") for file in MODULES.values())
    templates = "\n".join(f.read_text(encoding="utf-8") for f in (CHECKOUT / "templates").rglob("*.j2"))
    used = Counter(re.findall(r"\w+", code + templates))
    kinds = (ast.FunctionDef, ast.ClassDef)
    defined = {n.name: n for tree in TREES.values() for n in tree.body if isinstance(n, kinds)}
    commands = {name for name, node in defined.items() if isinstance(node, ast.FunctionDef) and node.decorator_list}
    assert {name for name in defined if used[name] < 2} - commands == CALLED_BY_LIBRARIES.keys()


def test_no_word_of_unfinished_work() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    places = [*MODULES.values(), *(CHECKOUT / "templates").rglob("*.j2"), *(CHECKOUT / "docs").rglob("*.md")]
    assert [f for f in places if words.search(f.read_text(encoding="utf-8"))] == []


def test_a_full_build_imports_nothing_heavy() -> None:
    """Not torch, not a cloud's client, nothing of what stages run on: in the process that `mlspec build` is."""
    code = (
        "import sys; from pathlib import Path; from mlspec.compiler import compile_project\n"
        "build = compile_project(Path(sys.argv[1])); assert len(build.files) > 20, len(build.files)\n"
        "import mlspec.cli.commands.build\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    spec = str(SPECS / "full" / "mlproject.yaml")
    done = subprocess.run([sys.executable, "-c", code, spec], capture_output=True, text=True, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & HEAVY == set()


class Notify(SpecModel):
    """Who is told when a line has run."""

    channel: str = Field("general", description="Where to write")


def test_a_new_part_needs_no_edit_elsewhere(tmp_path: Path) -> None:
    """Its section is checked, its file rendered from the project's templates, its stage put into dvc.yaml."""
    (tmp_path / "templates" / "notify").mkdir(parents=True)
    (tmp_path / "templates" / "notify" / "notify.yaml.j2").write_text("channel: {= channel | yaml =}\n")
    minimal = (SPECS / "minimal" / "mlproject.yaml").read_text(encoding="utf-8")
    (tmp_path / "mlproject.yaml").write_text(minimal + "\nnotify: {channel: releases}\n")
    toy = Toy(
        "notify",
        {"notify": Notify},
        own_stages=(
            Stage(
                "notify",
                "Tell people",
                "notify",
                ("artifacts/model/best.ckpt",),
                (Output("artifacts/told.txt"),),
                ("notify",),
            ),
        ),
        files=(Artifact("notify.yaml", "notify/notify.yaml.j2", {"channel": "releases"}),),
    )
    build = compile_project(tmp_path / "mlproject.yaml", parts=(*PARTS, toy))
    texts = {file.path: file.text for file in build.files}
    assert build.project.need(Notify).channel == "releases"
    assert texts["notify.yaml"].splitlines()[-1] == "channel: releases"
    assert [s.name for s in build.plan.stages][-1] == "notify"
    assert "conf/notify/default.yaml" in texts
    assert "mlspec run notify" in texts["dvc.yaml"]


def test_variables_of_mlspec_are_named_in_one_module() -> None:
    """`stage_context` reads and writes those of a stage, `log_setup` reads those of a server; messages may mention one."""
    names = {name for name, tree in TREES.items() if any(re.fullmatch(r"MLSPEC_[A-Z_]+", t) for t in _strings(tree))}
    assert names == {"mlspec.runtime.log_setup", "mlspec.stage_context"}


def test_git_is_started_by_one_module() -> None:
    started = {name for name, tree in TREES.items() for node in ast.walk(tree) if _starts_git(node)}
    assert started == {"mlspec.git_program"}


def _starts_git(node: ast.AST) -> bool:
    """Whether this is the start of a command line of git."""
    if not isinstance(node, ast.List | ast.Tuple) or len(node.elts) < 2:
        return False
    program, word = node.elts[0], node.elts[1]
    option = isinstance(word, ast.Constant) and str(word.value).startswith("-")
    return isinstance(program, ast.Constant) and program.value == "git" and (option or isinstance(word, ast.Starred))


def test_the_command_line_sets_no_variable() -> None:
    """What a command passes to its stages is a value; `app` only turns off a feature of pydantic for its own process."""
    writers = {name for name, tree in TREES.items() if layer(name).startswith("cli") and _sets_variables(tree)}
    assert writers == {"mlspec.cli.command_line"}


def _sets_variables(tree: ast.AST) -> bool:
    targets = [t for node in ast.walk(tree) for t in _targets(node)]
    calls = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    writes = [c.value for c in calls if c.attr in ("setdefault", "update", "pop", "putenv")]
    return any(ast.unparse(node).startswith("os.environ") for node in (*targets, *writes))


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign | ast.Delete):
        return node.targets
    return [node.target] if isinstance(node, ast.AugAssign) else []


def test_files_are_written_whole_or_not_at_all() -> None:
    actual = {f"{name}.{function}" for name, tree in TREES.items() for function in _direct_writes(tree)}
    assert actual == set(WRITES_ELSEWHERE)


def _direct_writes(tree: ast.AST, inside: str = "", safe: bool = False) -> Iterator[str]:
    """Functions that write a file, but for what they write in a `with whole(...)`."""
    for node in ast.iter_child_nodes(tree):
        name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else inside
        if isinstance(node, ast.Call) and _writes(node) and not safe:
            yield inside
        yield from _direct_writes(node, name, safe or (isinstance(node, ast.With) and _is_whole(node)))


def _is_whole(block: ast.With) -> bool:
    calls = [item.context_expr for item in block.items if isinstance(item.context_expr, ast.Call)]
    return any(isinstance(call.func, ast.Name) and call.func.id == "whole" for call in calls)


def _writes(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if (name in ("write_text", "write_bytes") and isinstance(call.func, ast.Attribute)) or name == "write_table":
        return True
    modes = [a.value for a in (*call.args[:2], *(k.value for k in call.keywords)) if isinstance(a, ast.Constant)]
    return name in ("open", "fdopen", "ZipFile") and any(
        isinstance(m, str) and re.fullmatch(r"[rbt]*[wax+][wabtx+]*", m) for m in modes
    )


SAFE_LOADS = {"True", "not trust", "not model.trust"}
"""What `weights_only` may be: True, or as `model.trust` of the spec allows."""


def test_no_checkpoint_is_unpickled_without_trust() -> None:
    names = [name for name in MODULES if name.startswith(("mlspec.learning", "mlspec.parts"))]
    assert [fault for name in names for fault in _untrusted_loads(name)] == []


def _untrusted_loads(name: str) -> Iterator[str]:
    """What a module reads that may execute code, in a way that the spec does not allow."""
    calls = [
        node for node in ast.walk(TREES[name]) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    loads = [
        call
        for call in calls
        if ast.unparse(call.func) == "torch.load"
        or (call.func.attr == "fit" and any(k.arg == "ckpt_path" for k in call.keywords))
    ]  # type: ignore[attr-defined]
    for call in loads:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if given.get("weights_only") not in SAFE_LOADS:
            yield f"{name}:{call.lineno}"
    yield from (
        f"{name}:{call.lineno}"
        for call in calls
        if ast.unparse(call.func) in ("pickle.load", "pickle.loads", "joblib.load")
    )
