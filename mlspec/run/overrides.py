"""Errors in the Hydra overrides of a command line, each with the key and the fix."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, JsonValue

from mlspec.diagnostics import Diagnostic, Finding, Span
from mlspec.errors import MlspecError, SpecError, UsageError
from mlspec.parts.stage_sections import READ, readers
from mlspec.source.document import Entry, Node
from mlspec.spec.keys import Shape, at, known, models
from mlspec.spec.names import closest, suggest
from mlspec.spec.root import valid_sections
from mlspec.spec.spec_model import SpecModel, dotted
from mlspec.spec.unread_keys import unread_key

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

COMMAND_LINE = "command line"
_SHOWS = ("--cfg", "-c", "--help", "--info", "-i")
"""Flags of Hydra that show the configuration and run nothing."""
_WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd",
               "--experimental-rerun")  # fmt: skip
"""Flags of Hydra whose value follows."""
_KEY = re.compile(r"[+~]*([^=@]+)")


def checked(overrides: Sequence[str], groups: Collection[str] = ()) -> None:
    """Raise UsageError for an override that Hydra cannot parse, and for one of `groups` that selects no file of it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    for before, override in zip(("", *overrides), overrides, strict=False):
        if before in _WITH_VALUE or (override.startswith("-") and override != "-"):
            continue
        try:
            parsed = parser.parse_override(override)
        except HydraException:
            help = "an override is KEY=VALUE; text with special characters needs quotes inside: 'key=\"a, b\"'"
            raise UsageError(f"cannot parse the override `{override}`", help=help) from None
        key = parsed.key_or_group
        if not key:
            raise UsageError(f"the override `{override}` has no key", help="an override is KEY=VALUE")
        if key == "experiment" and key in groups and not _selects(parsed):
            raise UsageError(f"the override `{override}` selects no experiment", help="experiment=NAME")
        if key in groups and not _selects(parsed):
            help = f"change a key of it: {key}.KEY=VALUE; or select a file of conf/{key}: {key}=NAME"
            raise UsageError(f"the override `{override}` gives a section a value", help=help)


def _selects(override: Override) -> bool:
    """Whether an override of a group of the configuration names files of it, or removes it."""
    if override.is_delete() or override.is_sweep_override():
        return True
    value = override.value()
    return all(isinstance(name, str) and name != "" for name in (value if isinstance(value, list) else [value]))


def completed(
    overrides: Sequence[str],
    values: Mapping[str, JsonValue],
    shape: Shape,
    stages: Sequence[str] = (),
    present: Collection[str] = (),
) -> list[str]:
    """The overrides as Hydra needs them: `++` is added to a key that a spec may have and that has no value.

    Raises SpecError for keys that no stage reads, or none of `stages`. `values` are the configuration without
    overrides, `shape` the keys that a spec may have, `present` the stages of the project.
    """
    own = valid_sections(shape, values)
    names = [_name(text, shape, own) for text in overrides]
    unread = [_unread(number, overrides[number - 1], name) for number, name in enumerate(names, 1) if name]
    if stages and not unread and not any(text in _SHOWS for text in overrides):
        numbered = enumerate(overrides, 1)
        others = [(number, text) for number, text in numbered if _of_another(text, stages, shape)]
        unread = [_unread_here(number, text, stages, present) for number, text in others]
    if unread:
        raise SpecError(unread)
    return [f"++{text}" if _is_new(text, values, shape) else text for text in overrides]


def _is_new(text: str, values: Mapping[str, JsonValue], shape: Shape) -> bool:
    """Whether an override sets a key that its section of the configuration does not have."""
    key, separator, _ = text.partition("=")
    section, _, inner = key.partition(".")
    if not separator or not inner or section not in values or not known(shape, key):
        return False
    node: object = values
    for step in key.split("."):
        if not isinstance(node, Mapping) or step not in node:
            return True
        node = node[step]
    return False


def _name(text: str, shape: Shape, own: Mapping[str, BaseModel]) -> str:
    """What an override sets that no stage reads: a section, or a key of one; empty for what a stage reads."""
    match = _KEY.match(text)
    section, *steps = match[1].split(".") if match and "=" in text and not text.startswith("-") else ("",)
    inner = at(shape, (section,)) if section else None
    if inner is None:
        return ""
    if not all(model.READ_BY_STAGES for model in models(inner) if issubclass(model, SpecModel)):
        return section
    return dotted((section, *key)) if (key := unread_key(own.get(section), inner, steps)) else ""


def _unread(number: int, text: str, name: str) -> Diagnostic:
    match = _KEY.match(text)
    assert match is not None
    message = f"no stage reads `{name}`, so it cannot be overridden for a run"
    help = f"change `{match[1]}` in mlproject.yaml, then run `mlspec build`"
    return Diagnostic("unknown-key", message, COMMAND_LINE, _whole(match, number), help, text)


def _of_another(text: str, stages: Sequence[str], shape: Shape) -> bool:
    """Whether an override sets something in a section of the spec that none of the stages reads."""
    match = _KEY.match(text)
    section = match[1].partition(".")[0] if match and not text.startswith("-") else ""
    if not section or at(shape, (section,)) is None:
        return False
    return not any(section in READ.get(stage, (section,)) for stage in stages)


def _unread_here(number: int, text: str, stages: Sequence[str], present: Collection[str]) -> Diagnostic:
    match = _KEY.match(text)
    assert match is not None
    section, named = match[1].partition(".")[0], ", ".join(f"`{stage}`" for stage in stages)
    who = f"the stage {named} does not read" if len(stages) == 1 else f"none of the stages {named} reads"
    message = f"{who} `{section}`, so this override would have no effect"
    others = ", ".join(stage for stage in readers(section) if stage in present) or "none of this project"
    help = f"stages that read `{section}`: {others}; or change it in mlproject.yaml"
    return Diagnostic("unknown-key", message, COMMAND_LINE, _whole(match, number), help, text)


def refused(error: Exception, values: Mapping[str, JsonValue], shape: Shape) -> MlspecError:
    """Hydra's error as one of mlspec. `values` are the configuration without overrides, `shape` the keys of a spec."""
    text = str(error)
    if match := re.search(r"Could not override '([^']+)'", text):
        return _no_key(match[1], text, values, shape)
    if match := re.search(r"Could not find '(\w+)/([^']+)'", text):
        options = re.findall(r"^\t([\w-]+)$", text.partition("Available options")[2].partition("search path")[0], re.M)
        return UsageError(f"{match[1]} not found: `{match[2]}`", help=suggest(match[2], options))
    if match := re.search(r"Multiple values for (\w+)|append '(\w+)", text):
        key = match[1] or match[2]
        return UsageError(f"`{key}` is already selected", help=f"select another one without the plus: {key}=NAME")
    if match := re.search(r"Ambiguous value for argument '([^']+)'|Sweep parameters '([^']+)' requires", text):
        help = "add -m to run once for each of them; a text with a comma needs quotes inside: 'key=\"a, b\"'"
        return UsageError(f"the override `{match[1] or match[2]}` has several values", help=help)
    if match := re.search(r"An item is already at '([^']+)'", text):
        return UsageError(f"`{match[1]}` already has a value", help=f"change it without the plus: {match[1]}=VALUE")
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return UsageError(first, help="`--cfg job` shows what Hydra composes")


def unresolved(error: Exception) -> UsageError:
    """OmegaConf's error about a `${…}` in the configuration as one of mlspec."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    key = match[1] if (match := re.search(r"full_key: (\S+)", str(error))) else "the configuration"
    help = "name another key as in ${train.seed}, or a variable of the environment as in ${oc.env:NAME}"
    return UsageError(f"cannot resolve `{key}`: {first}", help=help)


def _no_key(key: str, text: str, values: Mapping[str, JsonValue], shape: Shape) -> UsageError:
    """The error for a key that the configuration does not have: a typo, or a key that the spec leaves out."""
    value = match[1] if (match := re.search(r"To append to your config use \+[^=]+=(.*)", text)) else "VALUE"
    keys = list(leaves(values))
    section = key.partition(".")[0]
    if known(shape, key):
        help = f"to add it: +{key}={value}"
    elif closest(key, keys) is not None:
        help = suggest(key, keys)
    else:
        siblings = [k for k in keys if k.startswith(f"{section}.")]
        help = suggest(key, siblings, f"keys of `{section}`") or suggest(section, values, "sections")
    return UsageError(f"cannot override `{key}`: the configuration has no such key", help=help)


def leaves(values: Mapping[str, JsonValue], above: str = "") -> Iterable[str]:
    """Every dotted key whose value is not a mapping with keys."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{above}{name}.")
        else:
            yield above + name


def located(findings: Iterable[Finding], overrides: Sequence[str]) -> list[Diagnostic]:
    """Each finding at the override that caused it; one that no override caused at its file in `conf/`."""
    return [_located(finding, overrides) for finding in findings]


def _located(finding: Finding, overrides: Sequence[str]) -> Diagnostic:
    key = dotted(finding.at)
    for number, text in reversed(list(enumerate(overrides, 1))):
        match = _KEY.match(text)
        if match is None or not (f"{key}.".startswith(f"{match[1]}.") or match[1].startswith(f"{key}.")):
            continue
        value = text.find("=") + 2
        span = Span(number, value, len(text) + 1) if finding.on == "value" and value > 1 else _whole(match, number)
        return Diagnostic(finding.code, finding.message, COMMAND_LINE, span, finding.help, text)
    return Diagnostic(finding.code, finding.message, f"conf/{finding.at[0]}/default.yaml", None, finding.help)


def _whole(match: re.Match[str], number: int) -> Span:
    return Span(number, match.start(1) + 1, match.end(1) + 1)


def tree(value: object) -> Node:
    """Plain values as the nodes of a parsed file, without positions."""
    nowhere = Span(1, 1, 2)
    if isinstance(value, Mapping):
        return Node(nowhere, {str(k): Entry(nowhere, tree(v)) for k, v in value.items()})
    if isinstance(value, list | tuple):
        return Node(nowhere, tuple(tree(v) for v in value))
    return Node(nowhere, value if isinstance(value, str | int | float | None) else str(value))
