"""The model part: does the model fit the data, and does the user's class take the arguments? It runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlspec.diagnostics import Finding
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.sections.data import DataSpec
from mlspec.sections.model import AnyModel, Custom, ImageClassifier, ModelSpec, Preprocessing, TextClassifier
from mlspec.sections.model import Tabular as TabularModel
from mlspec.source.python import CallSignature, find_class, methods, module_names, signature, unreadable
from mlspec.spec.names import suggest
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "model"
SECTIONS = {"model": AnyModel}
PROGRAMS: Mapping[str, str] = {}

GIVEN: Mapping[str, tuple[str, ...]] = {
    "class": ("signature", "labels"),
    "datamodule": ("signature", "labels", "preprocess"),
    "preprocess.class": (),
}
"""Arguments that mlspec gives a class that takes them."""

ARGUMENTS = {"class": "args", "datamodule": "datamodule_args", "preprocess.class": "preprocess.args"}

_READS: dict[type[ModelSpec], tuple[str, ...]] = {
    TextClassifier: ("text",),
    ImageClassifier: ("image",),
    TabularModel: ("number", "category"),
}


def check(project: Project) -> Iterator[Finding]:
    """What the section's model cannot see."""
    model, data = project.get(ModelSpec), project.get(DataSpec)
    if model is None:
        return
    if data is not None:
        yield from _fits(model, data)
    if isinstance(model, TextClassifier) and model.pretrained is None and model.hidden % model.heads:
        message = f"a width of {model.hidden} cannot be divided among {model.heads} heads"
        help = f"choose a multiple of {model.heads}"
        yield Finding("conflicting-options", ("model", "hidden"), message, help)
    if isinstance(model, Custom):
        modules = project.surroundings.modules
        yield from _class(model.class_, "class", model.args, modules)
        if model.prepares is not None:
            yield from _preprocessing(model, modules)
        if model.datamodule is not None:
            yield from _class(model.datamodule, "datamodule", model.datamodule_args, modules)
            yield from _undeclared(model)


def _undeclared(model: Custom) -> Iterator[Finding]:
    """A data module may prepare its rows in either way, and evaluation has to give `forward` the same."""
    if model.preprocess is None:
        message = "`preprocess` is not declared: what does `forward` get from this data module?"
        help = (
            "set model.preprocess: none for values as they stand in the data, mlspec for standardised ones, "
            '{class: "src.prep:Prep"} for what a class of the project makes of them'
        )
        yield Finding("preprocess-undeclared", ("model", "datamodule"), message, help, on="key")


def _preprocessing(model: Custom, modules: Mapping[str, str | None]) -> Iterator[Finding]:
    """The class that prepares rows: it lies in the project, since it goes into the bundle, and has its methods."""
    assert isinstance(model.preprocess, Preprocessing)
    path, at = model.preprocess.class_, ("model", "preprocess", "class")
    yield from _class(path, "preprocess.class", model.preprocess.args, modules)
    module, _, name = path.partition(":")
    text = modules.get(module, "")
    if text is None:
        message = f"`{module}` is not Python source in the project, and cannot be put into the bundle"
        yield Finding("bad-preprocess", at, message, "write a class in the project, src/prep.py, that calls it")
        return
    definition = find_class(text, name)
    known = methods(definition) if definition is not None else None
    if known is None:
        return
    if "__call__" not in known:
        help = "def __call__(self, rows): return {...}    np.ndarray by name, batch first"
        yield Finding("bad-preprocess", at, f"`{name}` has no `__call__`, which prepares rows", help)
    lacking = [method for method in ("state", "restore") if method not in known]
    if lacking and ("fit" in known or len(lacking) == 1):
        has = "fit" if "fit" in known else "state" if "state" in known else "restore"
        help = "state(self) returns what fit computed as a dict of JSON; restore(self, state) takes it in serving"
        yield Finding("bad-preprocess", at, f"`{name}` has `{has}` and no `{'`, `'.join(lacking)}`", help)


def _fits(model: ModelSpec, data: DataSpec) -> Iterator[Finding]:
    reads = _READS.get(type(model))
    if reads is None:
        return
    for name, column in data.columns.items():
        if column.type not in reads:
            message = f"a `{model.type}` model cannot read `{name}`, which is {_a(column.type)}"
            help = f"it reads: {', '.join(reads)}; for other inputs write a `model.class` of your own"
            yield Finding("model-data-mismatch", ("data", "inputs", name), message, help, on="key")
    if model.type.endswith("classifier") and data.task == "regression":
        message = f"a `{model.type}` model cannot predict a number"
        yield Finding("model-data-mismatch", ("model", "type"), message, "use `type: tabular`, or a class target")
    most = 2 if isinstance(model, TextClassifier) else 1
    if reads != ("number", "category") and sum(c.type in reads for c in data.columns.values()) > most:
        message = f"a `{model.type}` model reads at most {most} input{'s' if most > 1 else ''}"
        yield Finding("model-data-mismatch", ("data", "inputs"), message, on="key")


def _class(path: str, key: str, args: Mapping[str, object], modules: Mapping[str, str | None]) -> Iterator[Finding]:
    module, _, name = path.partition(":")
    at = ("model", *key.split("."))
    if module not in modules:
        file = module.replace(".", "/") + ".py"
        yield Finding("import-not-found", at, f"there is no module `{module}`", f"write the class in {file}")
        return
    text = modules[module]
    if text is None:
        return
    if broken := unreadable(text):
        yield Finding("import-not-found", at, f"`{module}` cannot be imported: {broken[0]}", broken[1])
        return
    definition = find_class(text, name)
    names = module_names(text)
    if definition is None:
        if names is not None and name not in names:
            yield Finding("import-not-found", at, f"`{module}` has no `{name}`", suggest(name, names, "it has"))
    elif (called := signature(definition)) is not None:
        yield from _arguments(name, key, args, called)


def _arguments(name: str, key: str, args: Mapping[str, object], called: CallSignature) -> Iterator[Finding]:
    given = ARGUMENTS[key]
    at = ("model", *key.split("."))
    for argument in args:
        if argument not in called.parameters and not called.any_keyword:
            help = suggest(argument, called.parameters, "it takes")
            message = f"`{name}` takes no argument `{argument}`"
            yield Finding("bad-argument", ("model", *given.split("."), argument), message, help, on="key")
    for argument in called.required:
        if argument not in args and argument not in GIVEN[key]:
            message = f"`{name}` needs the argument `{argument}`"
            yield Finding("bad-argument", at, message, f"add it to model.{given}")


def _a(kind: str) -> str:
    return {"image": "an image"}.get(kind, f"a {kind}") if kind != "text" else "text"
