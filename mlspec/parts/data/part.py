"""The data part: checks what can be known without the data, and the stages `fetch` and `data`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlspec.parts.data.spec import REMOTE, SPLITS, Check, DataSpec
from mlspec.parts.protocol import no_artifacts as artifacts
from mlspec.plan.stage import Output, Stage
from mlspec.source.python import module_names
from mlspec.spec.base import Finding
from mlspec.spec.names import suggest
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "data"
SECTIONS = {"data": DataSpec}
PROGRAMS = {"fetch": "mlspec.parts.data.fetch:main", "data": "mlspec.parts.data.work:main"}
SCHEMA, PROFILE = "artifacts/data/schema.json", "artifacts/data/profile.json"
PARQUET = {split: f"artifacts/data/{split}.parquet" for split in SPLITS}


def check(project: Project) -> Iterator[Finding]:
    """What the section's model cannot see."""
    data = project.get(DataSpec)
    if data is None:
        return
    yield from _callable(data, project.surroundings.modules)
    yield from _form(data)
    yield from _target(data)
    yield from _split(data)
    yield from _columns(data)


def stages(project: Project) -> Iterable[Stage]:
    """Fetch where the source is elsewhere, then data."""
    data = project.get(DataSpec)
    if data is None:
        return
    sources = list(data.files.values())
    if data.kind == "remote":
        yield Stage(
            "fetch",
            f"Fetch {data.source}",
            NAME,
            outputs=(Output(data.fetched),),
            params=("data.source", "data.sha256"),
        )
    elif data.kind == "callable":
        sources.append(project.surroundings.path_of(data.source.partition(":")[0]))
    yield Stage(
        "data",
        "Check, split and profile the data",
        NAME,
        inputs=tuple(dict.fromkeys(_folder(source) for source in sources if source)),
        outputs=(
            *(Output(path) for path in PARQUET.values()),
            Output(SCHEMA, cache=False),
            Output(PROFILE, cache=False),
        ),
        params=tuple(f"data.{key}" for key in ("source", "format", "inputs", "target", "split", "checks")),
    )


def _folder(source: str) -> str:
    """A glob is watched as the folder above its first wildcard."""
    if not any(c in source for c in "*?["):
        return source
    steps = source.split("/")
    return "/".join(steps[: next(i for i, step in enumerate(steps) if any(c in step for c in "*?["))]) or "."


def _callable(data: DataSpec, modules: Mapping[str, str | None]) -> Iterator[Finding]:
    if data.kind != "callable":
        return
    module, _, name = data.source.partition(":")
    at = ("data", "source")
    if module not in modules:
        file = module.replace(".", "/") + ".py"
        yield Finding("import-not-found", at, f"there is no module `{module}`", f"write the function in {file}")
        return
    text = modules[module]
    names = module_names(text) if text is not None else None
    if names is not None and name not in names:
        yield Finding("import-not-found", at, f"`{module}` has no `{name}`", suggest(name, names, "it has"))


def _form(data: DataSpec) -> Iterator[Finding]:
    images = [name for name, i in data.columns.items() if i.type == "image"]
    if data.kind != "callable" and not data.written_as:
        help = "add `format: {type: ...}`: csv, tsv, parquet, jsonl or images"
        yield Finding(
            "unknown-format", ("data", "source"), f"`{data.source}` does not say what kind of file it is", help
        )
    if data.written_as == "images" and len(images) != len(data.columns):
        yield Finding(
            "input-mismatch", ("data", "inputs"), "an image folder gives one input, an image", "inputs: {image: image}"
        )
    if images and data.written_as in ("csv", "tsv"):
        yield Finding(
            "input-mismatch",
            ("data", "inputs", images[0]),
            f"a {data.written_as} file holds no images",
            "use an image folder, or parquet with the images' bytes",
        )


def _target(data: DataSpec) -> Iterator[Finding]:
    target = data.target
    if target.column in data.inputs:
        message = f"`{target.column}` is both input and target: the model would only copy it"
        yield Finding("target-is-input", ("data", "inputs", target.column), message, "remove it here", on="key")
    if target.type == "number" and target.labels:
        yield Finding(
            "conflicting-options",
            ("data", "target", "labels"),
            "a number has no labels",
            "remove them, or `type: class`",
        )
    if target.type == "class" and data.written_as != "images" and len(target.labels) < 2:
        message = "a class target needs at least two labels"
        yield Finding("too-few-labels", ("data", "target"), message, "labels: [no, yes]", on="key")
    repeated = [label for i, label in enumerate(target.labels) if label in target.labels[:i]]
    if repeated:
        index = len(target.labels) - 1 - target.labels[::-1].index(repeated[0])
        yield Finding(
            "repeated-label", ("data", "target", "labels", index), f"the label `{repeated[0]}` is given twice"
        )


def _split(data: DataSpec) -> Iterator[Finding]:
    split = data.split
    shares = [s for s in (split.valid, split.test) if not isinstance(s, str)]
    if split.column is None:
        for name, share in (("valid", split.valid), ("test", split.test)):
            if share == 0:
                yield Finding(
                    "empty-split", ("data", "split", name), f"a share of 0 leaves no rows to {name}", "say 0.1"
                )
        if sum(shares) >= 1:
            message = f"validation and test take {sum(shares):g} of the rows; none are left to train on"
            yield Finding("empty-split", ("data", "split"), message, "make the two sum to less than 1", on="key")
    if split.column is not None and split.group is not None:
        message = "a column that names the split leaves nothing to group"
        yield Finding("conflicting-options", ("data", "split", "group"), message, "keep one of the two")
    for name in ("valid", "test"):
        source = getattr(split, name)
        if isinstance(source, str) and source.startswith(REMOTE):
            message = "a split's own file is a path in the project"
            yield Finding("bad-format", ("data", "split", name), message, "fetch it, and name the path")


def _columns(data: DataSpec) -> Iterator[Finding]:
    known = data.format.columns
    if known is not None:
        places = {("data", "inputs", name): name for name in data.inputs}
        places |= {("data", "checks", name): name for name in data.checks.columns}
        places |= {("data", "target", "column"): data.target.column}
        for at, name in places.items():
            if name not in known:
                help = suggest(name, known, "the columns are")
                yield Finding("unknown-column", at, f"there is no column `{name}`", help, on="key")
    for name, check in data.checks.columns.items():
        yield from _check(name, check)
    rows = data.checks.rows
    if rows and rows.min is not None and rows.max is not None and rows.min > rows.max:
        yield Finding("empty-range", ("data", "checks", "rows"), "min is above max, so no data can pass", on="key")


def _check(name: str, check: Check) -> Iterator[Finding]:
    at = ("data", "checks", name)
    for low, high in ((check.min, check.max), (check.min_length, check.max_length)):
        if low is not None and high is not None and low > high:
            yield Finding("empty-range", at, "the smallest is above the largest, so no value can pass", on="key")
    if check.matches is not None:
        import re

        try:
            re.compile(check.matches)
        except re.error as error:
            message = f"this is no regular expression: {error}"
            yield Finding("bad-format", (*at, "matches"), message, "Python's syntax; use single quotes in YAML")
