"""Checks of perturbations, attacks and of declared expectations against the inputs and the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlspec.diagnostics import Finding
from mlspec.sections.data import DataSpec
from mlspec.sections.test import FITS, Direction, Perturbation, TestSpec
from mlspec.spec.names import suggest

_NOUNS = {"text": "texts", "number": "numbers", "category": "categories", "image": "images"}


def findings(options: TestSpec, data: DataSpec) -> Iterator[Finding]:
    """Perturbations and attacks that fit no input, and expectations about columns or labels that do not exist."""
    if options.robustness is not None:
        yield from _unfit(options.robustness.perturbations, "robustness", data)
    if options.textattack is not None:
        yield from _unattackable(data)
    if options.invariance is not None:
        yield from _unfit(options.invariance.perturbations, "invariance", data)
        for index, name in enumerate(options.invariance.columns):
            if name not in data.columns:
                at = ("test", "invariance", "columns", index)
                yield Finding("unknown-column", at, f"input not found: `{name}`", suggest(name, data.columns, "inputs"))
    for name, expected in (options.direction or {}).items():
        yield from _direction(name, expected if isinstance(expected, Direction) else None, data)


def _unfit(perturbations: Sequence[Perturbation], key: str, data: DataSpec) -> Iterator[Finding]:
    kinds = {column.type for column in data.columns.values()}
    for index, name in enumerate(perturbations):
        if not kinds & set(FITS[name]):
            fitting = [n for n, fits in FITS.items() if kinds & set(fits)]
            nouns = " or ".join(_NOUNS[kind] for kind in FITS[name])
            message = f"`{name}` perturbs {nouns}, and the model has no such input"
            help = "perturbations for these inputs: " + ", ".join(f"`{n}`" for n in fitting)
            yield Finding("unfit-perturbation", ("test", key, "perturbations", index), message, help)


def _unattackable(data: DataSpec) -> Iterator[Finding]:
    kinds = {column.type for column in data.columns.values()}
    if data.task == "classification" and "text" in kinds:
        return
    missing = "the model has no such input" if data.task == "classification" else "the target is a number"
    message = f"TextAttack attacks a classification of texts, and {missing}"
    instead = "remove `textattack`; `robustness` perturbs all kinds of inputs"
    yield Finding("unfit-attack", ("test", "textattack"), message, instead, on="key")


def _direction(name: str, expected: Direction | None, data: DataSpec) -> Iterator[Finding]:
    at = ("test", "direction", name)
    numbers = [column for column, described in data.columns.items() if described.type == "number"]
    if name not in data.columns:
        yield Finding("unknown-column", at, f"input not found: `{name}`", suggest(name, numbers, "numbers"), on="key")
    elif name not in numbers:
        message = f"`{name}` is a {data.columns[name].type}, and only a number can increase"
        yield Finding("unfit-direction", at, message, suggest(name, numbers, "numbers"), on="key")
    label = expected.label if expected is not None else None
    if data.task == "regression" and label is not None:
        message = f"the target `{data.target.column}` is a number and has no label `{label}`"
        yield Finding("unfit-direction", (*at, "label"), message, "remove `label`")
    if data.task == "classification" and label is None:
        message = f"`{name}` needs the label whose probability moves: the target `{data.target.column}` is a class"
        trend = expected.trend if expected is not None else "increasing"
        example = data.target.names[0] if data.target.names else "LABEL"
        yield Finding("unfit-direction", at, message, f"{name}: {{trend: {trend}, label: {example}}}", on="key")
    if label is not None and data.target.names and label not in data.target.names:
        help = suggest(label, data.target.names, "labels")
        yield Finding("unknown-label", (*at, "label"), f"label not found: `{label}`", help)
