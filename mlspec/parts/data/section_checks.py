"""Checks of the `data` section that need no data. Pure."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from mlspec.diagnostics import Finding, Location
from mlspec.parts.imported_names import import_finding
from mlspec.sections import addresses
from mlspec.sections.column_names import LONGEST_VALUE, RENAME, fault, too_long
from mlspec.sections.data import Check, DataSpec
from mlspec.sections.model import Custom, ModelSpec
from mlspec.sections.target import Label, label_name
from mlspec.source.python import parsed
from mlspec.source.reads import covered, flow_list
from mlspec.spec.names import suggest
from mlspec.spec.project import Project

TEXTUAL = ("csv", "tsv")


def _callables(data: DataSpec, project: Project) -> Iterator[Finding]:
    for name, source in data.sources.items():
        if addresses.is_callable(source):
            yield from _callable(source, source_at(name), project.surroundings.modules)


def _opened(data: DataSpec, project: Project) -> Iterator[Finding]:
    """Files that a callable opened in its last run and `data.deps` does not list."""
    declared = (*data.deps, *project.surroundings.code)
    new = [path for path in project.surroundings.reads.get("data", ()) if not covered(path, declared)]
    name = next((name for name, source in data.sources.items() if addresses.is_callable(source)), None)
    if new and name is not None:
        message = f"`{data.sources[name]}` reads {', '.join(new)}, which `data.deps` does not list"
        help = f"add to `data`: deps: {flow_list([*data.deps, *new])}"
        yield Finding("undeclared-read", source_at(name), message, help, severity="warning")


def source_at(name: str) -> Location:
    """The location in the spec of a source, by its key in `DataSpec.sources`."""
    return ("data", "split", name) if name else ("data", "source")


def _callable(source: str, at: Location, modules: Mapping[str, str | None]) -> Iterator[Finding]:
    if finding := import_finding(source, at, modules, "function"):
        yield finding
        return
    module, _, name = source.partition(":")
    text = modules[module]
    if text is None:
        return
    wrong = _uncallable(text, name)
    if wrong:
        yield Finding(
            "not-callable", at, f"`{source}` {wrong}", "name a function without arguments that returns a table"
        )


def _uncallable(text: str, name: str) -> str:
    """Why the top-level `name` of a module cannot be called without arguments; `""` if it can, or if it is unknown."""
    tree = parsed(text)
    for node in reversed(tree.body if tree else []):
        match node:
            case ast.FunctionDef(name=own, args=args, decorator_list=[]) if own == name:
                positional = [a.arg for a in (*args.posonlyargs, *args.args)]
                needed = positional[: len(positional) - len(args.defaults)]
                needed += [a.arg for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is None]
                return f"needs arguments: {', '.join(needed)}" if needed else ""
            case ast.AsyncFunctionDef(name=own) if own == name:
                return "is a coroutine"
            case ast.Assign(targets=[ast.Name(id=own)], value=value) if own == name:
                literal = isinstance(value, ast.Constant | ast.List | ast.Dict | ast.Tuple | ast.Set | ast.JoinedStr)
                return "is a value, not a function" if literal else ""
            case _:
                pass
    return ""


def _format(data: DataSpec, _: Project) -> Iterator[Finding]:
    kind, format = data.written_as, data.format
    if data.kind != "callable" and not kind:
        message = f"cannot determine the file format of `{data.source}` from its name"
        help = "add `format: {type: ...}`: csv, tsv, parquet, jsonl, json or images"
        yield Finding("unknown-format", ("data", "source"), message, help)
    if format.header is False and format.columns is None:
        help = "columns: [id, sentence, label]"
        yield Finding(
            "conflicting-options", ("data", "format", "header"), "`header: false` needs the names of the columns", help
        )
    images = ("decimal", "thousands", "trim") if kind == "images" else ()
    for key in ("columns", "header", "delimiter", "quoting", "escape", *images):
        if kind not in (*TEXTUAL, "") and getattr(format, key) is not None:
            message = f"{'a ' + kind + ' file' if kind != 'images' else 'an image folder'} has no `{key}`"
            yield Finding("conflicting-options", ("data", "format", key), message, "leave it out", on="key")
    if format.thousands is not None and format.thousands == (format.decimal or "."):
        message = f"`{format.thousands}` cannot separate both thousands and decimals"
        help = 'for example `decimal: ","` with `thousands: "."`'
        yield Finding("conflicting-options", ("data", "format", "thousands"), message, help)
    repeated = _repeated(format.columns or [])
    if repeated:
        index, name = repeated
        yield Finding("repeated-name", ("data", "format", "columns", index), f"duplicate column `{name}`", "remove one")


def _names(data: DataSpec, _: Project) -> Iterator[Finding]:
    for name in data.inputs:
        if wrong := fault(name):
            yield Finding("bad-format", ("data", "inputs", name), f"the name of an input {wrong}", RENAME, on="key")


def _inputs(data: DataSpec, project: Project) -> Iterator[Finding]:
    kinds: list[str] = [column.type for column in data.columns.values()]
    if data.written_as == "images" and kinds != ["image"]:
        message = "an image folder has exactly one input, of type image"
        help = "inputs: {image: image}; for more inputs set data.source to a csv file with a column of image paths"
        yield Finding("input-mismatch", ("data", "inputs"), message, help, on="key")
    if data.holds_paths and data.written_as != "parquet" and data.format.images is None:
        bare = [name for name, path in data.files.items() if "/" not in path]
        for name in bare:
            message = "the folder of the images is unknown: the table lies in the project root"
            help = "move the table into the folder of the images, or add `format: {images: FOLDER}`"
            yield Finding("input-mismatch", source_at(name), message, help)
    if isinstance(project.get(ModelSpec), Custom):
        # The model part checks the inputs of the other kinds of models.
        for kind, most in (("text", 2), ("image", 1)):
            if kinds.count(kind) > most:
                message = f"a model has at most {most} {kind} input{'s' if most > 1 else ''}"
                yield Finding("input-mismatch", ("data", "inputs"), message, "merge them in a callable", on="key")
    for name, column in data.columns.items():
        for key in ("height", "width", "channels", "background"):
            if column.type != "image" and getattr(column, key) is not None:
                message = f"`{key}` applies to images only, `{name}` is a {column.type}"
                at = ("data", "inputs", name, key)
                yield Finding("conflicting-options", at, message, "leave it out", on="key")


def _target(data: DataSpec, _: Project) -> Iterator[Finding]:
    target = data.target
    if target.column in data.inputs:
        message = f"`{target.column}` is both input and target, so the model would only copy it"
        yield Finding("target-is-input", ("data", "inputs", target.column), message, "remove it here", on="key")
    for key in ("labels", "values"):
        if target.type == "number" and getattr(target, key):
            at = ("data", "target", key)
            yield Finding(
                "conflicting-options", at, f"a number target has no {key}", "remove the key, or set `type: class`"
            )
    if target.type == "number" and data.written_as == "images":
        message = "the folder names of an image folder are classes, not numbers"
        help = "set data.source to a csv file with the image paths and the numbers"
        yield Finding("conflicting-options", ("data", "target", "type"), message, help)
    if target.type == "class" and len(target.labels) == 1:
        message = f"a class target needs at least two labels, and `labels` has only `{target.names[0]}`"
        help = "add the other labels, or remove `labels` to use all values of the column"
        yield Finding("too-few-labels", ("data", "target", "labels"), message, help, on="key")
    yield from _labels(data)
    yield from _values(data)


def _labels(data: DataSpec) -> Iterator[Finding]:
    target, at = data.target, ("data", "target")
    if target.level is not None and data.written_as != "images":
        message = "`level` selects a folder above images, but the source is a table"
        yield Finding("conflicting-options", ("data", "target", "level"), message, "leave it out", on="key")
    repeated = _repeated(target.names) or _same_number(target.labels)
    if repeated:
        yield Finding("repeated-name", (*at, "labels", repeated[0]), f"duplicate label `{repeated[1]}`", "remove one")
    if target.labels_are == "positions" and not target.labels:
        message = "`labels_are: positions` needs `labels`"
        yield Finding("conflicting-options", (*at, "labels_are"), message, "list the labels in order: labels: [...]")
    if target.labels_are == "positions" and target.values:
        message = "`labels_are: positions` and `values` exclude each other"
        yield Finding("conflicting-options", (*at, "values"), message, "remove one of the two", on="key")


def _same_number(labels: Sequence[Label]) -> tuple[int, str] | None:
    """The first label that is the same number as an earlier one, such as 1 and 1.0."""
    numbers = [label if isinstance(label, int | float) and not isinstance(label, bool) else None for label in labels]
    return next(((i, label_name(labels[i])) for i, n in enumerate(numbers) if n is not None and n in numbers[:i]), None)


def _values(data: DataSpec) -> Iterator[Finding]:
    target, at = data.target, ("data", "target", "values")
    for word in target.values:
        if len(word) > LONGEST_VALUE:
            message = f"a value in data.target.values {too_long(word, LONGEST_VALUE)}"
            yield Finding("bad-format", (*at, word), message, "shorten the value in the data and here", on="key")
    if not target.values or not target.labels:
        return
    for word, label in target.meanings.items():
        if label not in target.names:
            help = suggest(label, target.names, "the labels are")
            yield Finding("unknown-label", (*at, word), f"`{label}` is not one of the labels", help)
    for label in target.names:
        if label not in target.meanings.values():
            message = f"no value maps to the label `{label}`, so it can never occur"
            yield Finding("unknown-label", at, message, "add a value for it, or remove the label", on="key")


def _split(data: DataSpec, project: Project) -> Iterator[Finding]:
    split, at = data.split, ("data", "split")
    if split.column is not None:
        written = _written(project, "data", "split")
        for key in ("valid", "test", "group"):
            if key in written:
                message = f"`column` sets the split of each row, so `{key}` has no effect"
                yield Finding("conflicting-options", (*at, key), message, "remove one of the two", on="key")
        return
    shares = {name: share for name in ("valid", "test") if isinstance(share := getattr(split, name), int | float)}
    for name, share in shares.items():
        if share == 0:
            yield Finding(
                "empty-split", (*at, name), f"a share of 0 leaves no rows for {name}", "set a share such as 0.1"
            )
    if sum(shares.values()) >= 1:
        message = f"valid and test add up to {sum(shares.values()):g}, so no rows are left for train"
        yield Finding("empty-split", at, message, "reduce `valid` and `test` to a sum below 1", on="key")
    own = {name: source for name, source in data.sources.items() if name}
    for name, source in own.items():
        if source == data.source or (name == "test" and source == own.get("valid")):
            message = "two splits have the same rows, so the metrics would be too optimistic"
            yield Finding("shared-split", (*at, name), message, "set another file, or a share such as 0.1")
    if len(own) == 2 and split.group is not None:
        message = "valid and test have separate files, so `group` has no effect"
        yield Finding("conflicting-options", (*at, "group"), message, "leave it out", on="key")


def _written(project: Project, *keys: str) -> Mapping[str, object]:
    """The mapping at that location of the spec as the user wrote it, before defaults."""
    mapping: object = project.given
    for key in keys:
        mapping = mapping.get(key) if isinstance(mapping, Mapping) else None
    return mapping if isinstance(mapping, Mapping) else {}


def _fetched(data: DataSpec, _: Project) -> Iterator[Finding]:
    at = ("data", "sha256")
    if data.sha256 is None:
        return
    named = set(data.sha256) if isinstance(data.sha256, dict) else {"train"}
    for split in sorted(named):
        name = "" if split == "train" else split
        if name not in data.remotes or addresses.many(data.sources[name]):
            message = f"`sha256` applies to a single downloaded file, and {name or 'data.source'} is not one"
            yield Finding("conflicting-options", at, message, "remove it", on="key")


def _columns(data: DataSpec, _: Project) -> Iterator[Finding]:
    known = data.format.columns
    if data.written_as == "images":
        known = [*data.inputs, data.target.column]
    places: dict[Location, str | None] = {("data", "checks", name): name for name in data.checks.columns}
    places |= {("data", "split", key): getattr(data.split, key) for key in ("group", "column")}
    if data.written_as != "images":
        places |= {("data", "inputs", name): name for name in data.inputs}
        places |= {("data", "target", "column"): data.target.column}
    for at, name in places.items():
        if known is not None and name is not None and name not in known:
            on: Literal["key", "value"] = "key" if at[1] in ("checks", "inputs") else "value"
            help = suggest(name, known, "the columns are")
            yield Finding("unknown-column", at, f"column not found: `{name}`", help, on=on)


def _checks(data: DataSpec, _: Project) -> Iterator[Finding]:
    for name, check in data.checks.columns.items():
        yield from _check(name, check)
    rows = data.checks.rows
    if rows and rows.min is not None and rows.max is not None and rows.min > rows.max:
        message = f"min ({rows.min}) is above max ({rows.max}), so no data can pass"
        yield Finding("empty-range", ("data", "checks", "rows"), message, "swap the two", on="key")


def _check(name: str, check: Check) -> Iterator[Finding]:
    at = ("data", "checks", name)
    for low, high in ((check.min, check.max), (check.min_length, check.max_length)):
        if low is not None and high is not None and low > high:
            message = f"the minimum ({low:g}) is above the maximum ({high:g}), so no value can pass"
            yield Finding("empty-range", at, message, "swap the two", on="key")
    if check.one_of == []:
        yield Finding("empty-range", (*at, "in"), "`in` is empty, so no value can pass", "list the allowed values")


def _repeated(names: list[str]) -> tuple[int, str] | None:
    """The first repeated name, and its position."""
    return next(((index, name) for index, name in enumerate(names) if name in names[:index]), None)


def _collected(data: DataSpec, project: Project) -> Iterator[Finding]:  # noqa: ARG001 - a rule's signature
    """Rows of predictions that cannot be collected, or would be read twice."""
    if data.collected is None:
        return
    at = ("data", "collected")
    if images := [name for name, column in data.columns.items() if column.type == "image"]:
        message = f"`{images[0]}` is an image, and the prediction log does not store images"
        yield Finding("collected-rows", at, message, "remove `collected`, and add new images to data.source")
    for name, path in data.files.items():
        if f"{addresses.folder(path)}/".startswith(f"{data.collected}/") or f"{data.collected}/".startswith(
            f"{addresses.folder(path)}/"
        ):
            message = f"{data.collected} and `{data.sources[name]}` overlap, so rows would be read twice"
            yield Finding("collected-rows", at, message, "use a folder of its own, for example data/collected")


Rule = Callable[[DataSpec, Project], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    _callables, _format, _names, _inputs, _target, _split, _fetched, _columns, _checks, _opened, _collected,
)  # fmt: skip
