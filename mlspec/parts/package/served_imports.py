"""Whether what serves has all that the project's own preprocessing imports. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.package import serving_pins
from mlspec.sections.model import Custom, ModelSpec
from mlspec.sections.package import Package
from mlspec.source.third_party import Outside, distribution
from mlspec.spec.project import Project

_TRAINING: Final = ("jax", "lightning", "pytorch-lightning", "tensorflow", "torch", "torchvision", "transformers")
"""Packages that are larger than all that serves together."""


def check(project: Project, package: Package, inputs: Collection[str]) -> Iterator[Finding]:
    """Imports of `model.preprocess.class` that nothing installs, and requirements against mlspec's own."""
    python = package.zip.python if package.zip else package.docker.python
    if python not in serving_pins.pythons():
        return  # an error already
    served = serving_pins.requirements(python, False, inputs, server=package.zip is None)
    for name, release in package.requirements.items():
        if served.get(name, release) != release:
            message = f"serving installs {name} {served[name]}, and {release} is asked for"
            yield Finding("conflicting-options", ("package", "requirements", name), message, "remove it")
    model = project.get(ModelSpec)
    if not isinstance(model, Custom) or model.prepares is None:
        return
    module = model.prepares.partition(":")[0]
    compiled = [file for file in project.surroundings.code_of(model.prepares) if not file.endswith(".py")]
    at = ("model", "preprocess", "class")
    for file in compiled:
        message = f"`{module}` loads {file}, which is compiled for this machine and cannot be put into the bundle"
        yield Finding("import-not-served", at, message, "import a module in Python, or a package that has a wheel")
    found = project.surroundings.outside.get(module, ())
    for each in _unserved(found, served, package.requirements):
        place = f"{each.file}:{each.line}"
        what = "the zip" if package.zip else "the serving image"
        message = f"{place} imports {each.name}, which {what} does not have; `{module}` prepares rows there"
        yield Finding("import-not-served", at, message, _help(each))


def _unserved(found: Collection[Outside], served: Collection[str], more: Collection[str]) -> Iterator[Outside]:
    claimed = {each.package for each in found}
    spare = set(more) - claimed  # the name of a package may be another than that of its module
    for each in found:
        if each.name.partition(".")[0] == "mlspec":
            if each.name.split(".")[:2] != ["mlspec", "runtime"] and each.name != "mlspec":
                yield each
        elif each.package not in served and each.package not in more and (each.release or not spare):
            yield each


def _help(each: Outside) -> str:
    if each.name.startswith("mlspec"):
        return "serving has mlspec.runtime alone: import nothing else of mlspec there"
    package = distribution(each.name)
    fit = "if only `fit` needs it, import it inside `fit`"
    if package in _TRAINING:
        return f"prepare rows with numpy alone; {fit}"
    entry = f'{package}: "{each.release or "RELEASE"}"'
    return f"add package.requirements: {{{entry}}}, with what {package} itself needs; {fit}"
