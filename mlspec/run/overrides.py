"""What is wrong with the overrides of a command line, in mlspec's own words: the key, and the way on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlspec.diagnostics import Diagnostic, Finding, Span
from mlspec.errors import MlspecError, UsageError
from mlspec.source.document import Entry, Node
from mlspec.spec.keys import Shape, known
from mlspec.spec.names import suggest
from mlspec.spec.spec_model import dotted

COMMAND_LINE = "command line"
_KEY = re.compile(r"[+~]*([^=@]+)")


def checked(overrides: Sequence[str]) -> None:
    """Refuse what Hydra cannot parse, naming it. Raises UsageError."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    for override in overrides:
        if override.startswith("-"):
            return  # a flag: what follows may belong to it
        try:
            parser.parse_override(override)
        except HydraException:
            help = "an override is KEY=VALUE; text with special characters needs quotes inside: 'key=\"a, b\"'"
            raise UsageError(f"`{override}` cannot be read", help=help) from None


def refused(error: Exception, values: Mapping[str, Any], shape: Shape) -> MlspecError:
    """Hydra's refusal to compose. `values` are the configuration without overrides, `shape` what a spec may hold."""
    text = str(error)
    if found := re.search(r"Could not override '([^']+)'", text):
        return _no_key(found[1], text, values, shape)
    if found := re.search(r"Could not find '(\w+)/([^']+)'", text):
        options = re.findall(r"^\t([\w-]+)$", text.partition("Available options")[2].partition("search path")[0], re.M)
        return UsageError(f"there is no {found[1]} `{found[2]}`", help=suggest(found[2], options, "there are"))
    if found := re.search(r"Multiple values for (\w+)|append '(\w+)", text):
        key = found[1] or found[2]
        return UsageError(f"`{key}` is there already", help=f"choose one without the plus: {key}=NAME")
    if found := re.search(r"An item is already at '([^']+)'", text):
        return UsageError(f"`{found[1]}` is there already", help=f"change it without the plus: {found[1]}=VALUE")
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return UsageError(first, help="`--cfg job` shows what Hydra composes")


def _no_key(key: str, text: str, values: Mapping[str, Any], shape: Shape) -> UsageError:
    """A key that the configuration does not have: mistyped, or one that the spec may hold and does not."""
    value = found[1] if (found := re.search(r"To append to your config use \+[^=]+=(.*)", text)) else "VALUE"
    keys = list(leaves(values))
    help = suggest(key, keys, "")
    if known(shape, key):
        help = f"it can be added: +{key}={value}"
    elif not help.startswith("did you mean"):
        section = key.partition(".")[0]
        near = [k for k in keys if k.startswith(f"{section}.")]
        help = suggest(key, near, "the keys there are") or suggest(section, values, "the sections are")
    return UsageError(f"there is no `{key}` to override", help=help)


def leaves(values: Mapping[str, Any], above: str = "") -> Iterable[str]:
    """Every key with a value of its own, dotted."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{above}{name}.")
        else:
            yield above + name


def located(findings: Iterable[Finding], overrides: Sequence[str]) -> list[Diagnostic]:
    """Each finding at the override that caused it; what no override caused stands in `conf/` itself."""
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


def tree(value: Any) -> Node:
    """Plain values in the shape that a read file has, with no places of their own."""
    nowhere = Span(1, 1, 2)
    if isinstance(value, Mapping):
        return Node(nowhere, {str(k): Entry(nowhere, tree(v)) for k, v in value.items()})
    if isinstance(value, list | tuple):
        return Node(nowhere, tuple(tree(v) for v in value))
    return Node(nowhere, value)
