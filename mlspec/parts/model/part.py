"""The model part: checks that the model fits the data, and the user's class its arguments, without running code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlspec.diagnostics import Finding
from mlspec.parts.imported_names import import_finding
from mlspec.parts.model import pickle_checks
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.sections.data import DataSpec
from mlspec.sections.model import AnyModel, Custom, ImageClassifier, ModelSpec, Preprocessing, TextClassifier
from mlspec.sections.model import Tabular as TabularModel
from mlspec.source.python import CallSignature, find_class, methods, signature
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
"""Arguments that mlspec passes to a class that has such parameters."""

ARGUMENTS = {"class": "args", "datamodule": "datamodule_args", "preprocess.class": "preprocess.args"}

FORWARD: Mapping[str, tuple[str, ...]] = {
    "number": ("numbers",),
    "category": ("categories",),
    "text": ("input_ids", "attention_mask"),
    "image": ("pixels",),
}
"""The arguments of `forward` for each type of input, without a preprocessing of the project."""
_OPTIONAL = ("token_type_ids",)

_READS: dict[type[ModelSpec], tuple[str, ...]] = {
    TextClassifier: ("text",),
    ImageClassifier: ("image",),
    TabularModel: ("number", "category"),
}


def check(project: Project) -> Iterator[Finding]:
    """Findings that need the whole project."""
    model, data = project.get(ModelSpec), project.get(DataSpec)
    yield from pickle_checks.check(project)
    if model is None:
        return
    if data is not None:
        yield from _fits(model, data)
    if isinstance(model, TextClassifier) and model.pretrained is None and model.hidden % model.heads:
        message = f"hidden ({model.hidden}) is not divisible by heads ({model.heads})"
        help = f"set hidden to a multiple of {model.heads}"
        yield Finding("conflicting-options", ("model", "hidden"), message, help)
    if isinstance(model, Custom):
        modules = project.surroundings.modules
        yield from _class(model.class_, "class", model.args, modules)
        if data is not None and model.prepares is None:
            yield from _forward(model, data, modules)
        if model.prepares is not None:
            yield from _preprocessing(model, modules)
        if model.loader is not None:
            yield from _class(model.loader, "datamodule", model.datamodule_args, modules)
            yield from _undeclared(model)


def _forward(model: Custom, data: DataSpec, modules: Mapping[str, str | None]) -> Iterator[Finding]:
    """`forward` receives the prepared inputs by name, so its parameters need these names."""
    module, _, name = model.class_.partition(":")
    definition = find_class(modules.get(module) or "", name)
    called = signature(definition, "forward") if definition is not None else None
    if called is None:
        return
    types = {column.type for column in data.columns.values()}
    given = [names for kind, names in FORWARD.items() if kind in types]
    passed = [one for names in given for one in names]
    lacking = [one for one in passed if one not in called.parameters and not called.any_keyword]
    unknown = [one for one in called.required if one not in (*passed, *_OPTIONAL)]
    if lacking or unknown:
        takes = ", ".join(f"`{one}`" for one in called.parameters) or "no input"
        message = f"`forward` of `{name}` takes {takes}, but it is called with {', '.join(f'`{p}`' for p in passed)}"
        help = f"def forward(self, {', '.join(passed)}), and in training_step: inputs, targets = batch; self(**inputs)"
        yield Finding("forward-mismatch", ("model", "class"), message, help)


def _undeclared(model: Custom) -> Iterator[Finding]:
    """A data module may use any preprocessing, and evaluation has to use the same."""
    if "preprocess" not in model.model_fields_set:
        message = "a data module needs `preprocess`, which declares the inputs of `forward`"
        help = (
            "set model.preprocess: none for unchanged values, mlspec for standardised ones, "
            '{class: "src.prep:Prep"} for a preprocessing class of the project'
        )
        yield Finding("preprocess-undeclared", ("model", "datamodule"), message, help, on="key")


def _preprocessing(model: Custom, modules: Mapping[str, str | None]) -> Iterator[Finding]:
    """The preprocessing class has to be in the project, because the bundle contains it, and have the methods."""
    assert isinstance(model.preprocess, Preprocessing)
    path, at = model.preprocess.class_, ("model", "preprocess", "class")
    yield from _class(path, "preprocess.class", model.preprocess.args, modules)
    module, _, name = path.partition(":")
    text = modules.get(module, "")
    if text is None:
        message = f"`{module}` is not Python source in the project, so it cannot be copied to the bundle"
        yield Finding("bad-preprocess", at, message, "write a class in src/prep.py that calls it")
        return
    definition = find_class(text, name)
    known = methods(definition) if definition is not None else None
    if known is None:
        return
    if "__call__" not in known:
        help = "def __call__(self, rows): return {...}    np.ndarray by name, batch first"
        yield Finding("bad-preprocess", at, f"`{name}` has no method `__call__`, which preprocesses rows", help)
    lacking = [method for method in ("state", "restore") if method not in known]
    if lacking and ("fit" in known or len(lacking) == 1):
        has = "fit" if "fit" in known else "state" if "state" in known else "restore"
        help = "state(self) returns the results of fit as a JSON dict; restore(self, state) loads them in serving"
        yield Finding("bad-preprocess", at, f"`{name}` has `{has}` but not `{'`, `'.join(lacking)}`", help)


def _fits(model: ModelSpec, data: DataSpec) -> Iterator[Finding]:
    reads = _READS.get(type(model))
    if reads is None:
        return
    for name, column in data.columns.items():
        if column.type not in reads:
            message = f"a `{model.type}` model does not support the input `{name}`, which is {_a(column.type)}"
            help = f"it supports: {', '.join(reads)}; for other inputs write your own `model.class`"
            yield Finding("model-data-mismatch", ("data", "inputs", name), message, help, on="key")
    if model.type.endswith("classifier") and data.task == "regression":
        message = f"a `{model.type}` model cannot predict a number"
        yield Finding("model-data-mismatch", ("model", "type"), message, "use `type: tabular`, or a class target")
    most = 2 if isinstance(model, TextClassifier) else 1
    if reads != ("number", "category") and sum(c.type in reads for c in data.columns.values()) > most:
        message = f"a `{model.type}` model has at most {most} input{'s' if most > 1 else ''}"
        help = "remove the others, or write your own `model.class`"
        yield Finding("model-data-mismatch", ("data", "inputs"), message, help, on="key")


def _class(path: str, key: str, args: Mapping[str, object], modules: Mapping[str, str | None]) -> Iterator[Finding]:
    if finding := import_finding(path, ("model", *key.split(".")), modules, "class"):
        yield finding
        return
    module, _, name = path.partition(":")
    definition = find_class(modules[module] or "", name)
    if definition is not None and (called := signature(definition)) is not None:
        yield from _arguments(name, key, args, called)


def _arguments(name: str, key: str, args: Mapping[str, object], called: CallSignature) -> Iterator[Finding]:
    key_of_args = ARGUMENTS[key]
    at = ("model", *key.split("."))
    for argument in args:
        if argument not in called.parameters and not called.any_keyword:
            help = suggest(argument, called.parameters, "it takes")
            message = f"`{name}` has no parameter `{argument}`"
            yield Finding("bad-argument", ("model", *key_of_args.split("."), argument), message, help, on="key")
    for argument in called.required:
        if argument not in args and argument not in GIVEN[key]:
            message = f"`{name}` needs the argument `{argument}`"
            yield Finding("bad-argument", at, message, f"add it to model.{key_of_args}")


def _a(kind: str) -> str:
    return {"image": "an image"}.get(kind, f"a {kind}") if kind != "text" else "text"
