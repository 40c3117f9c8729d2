"""Pydantic's errors to Findings: its error types become codes, messages and help."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, get_args, get_origin

from pydantic_core import ErrorDetails

from mlspec.diagnostics import Finding, Location
from mlspec.render.quoting import flow
from mlspec.source.document import Node
from mlspec.spec.keys import Shape, at, fields, removed_keys, variants
from mlspec.spec.names import closest, quoted, suggest
from mlspec.spec.spec_model import dotted

_KINDS = {
    "int": "a whole number", "float": "a number", "string": "text", "bool": "true or false", "list": "a list",
    "tuple": "a list", "dict": "a mapping", "model": "a mapping", "dataclass": "a mapping", "set": "a list",
    "none": "nothing", "mapping": "a mapping",
}  # fmt: skip
_BOUNDS = {
    "greater_than": ("more than", "gt"), "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"), "less_than_equal": ("at most", "le"),
}  # fmt: skip
_SWITCHES = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
"""Booleans of YAML 1.1 that YAML 1.2 reads as text."""
_UNSPACED = re.compile(r"(\w+):\S")
_LENGTHS = {
    "too_short": "at least",
    "too_long": "at most",
    "string_too_short": "at least",
    "string_too_long": "at most",
}


class _Located(NamedTuple):
    """An error and the location of its value in the text."""

    error: ErrorDetails
    at: Location

    @property
    def wrong_type(self) -> bool:
        kind = self.error["type"]
        return kind not in _MAKERS and kind.endswith(("_type", "_parsing", "_from_float"))


def explain(errors: Iterable[ErrorDetails], shape: Shape, root: Node) -> list[Finding]:
    """The Findings for pydantic's errors about the values in `root`, whose models are `shape`.

    Pydantic reports an error for each member of a union. Where one member has the type of the value, only its errors
    are returned; otherwise one Finding names all types.
    """
    groups: dict[Location, list[_Located]] = {}
    for error in errors:
        at = _in_text(error["loc"], root, keep_last=error["type"] in ("missing", "extra_forbidden"))
        groups.setdefault(at, []).append(_Located(error, at))
    above = {at[:length] for at in groups for length in range(len(at))}
    return [finding for group in groups.values() for finding in _findings(group, shape, group[0].at in above)]


def _findings(group: list[_Located], shape: Shape, has_inner: bool) -> list[Finding]:
    """The Findings of one location. `has_inner`: there are errors below it, so that one type did match."""
    mismatches = [one.error for one in group if one.wrong_type]
    if len(mismatches) < len(group):
        return _alternatives([one for one in group if not one.wrong_type], shape)
    return [] if has_inner else [_wrong_type(mismatches, shape, group[0].at)]


def _alternatives(group: list[_Located], shape: Shape) -> list[Finding]:
    """The Findings of the members that have the type of the value. Literals are named in the help of the others."""
    literals = [one for one in group if one.error["type"] == "literal_error"]
    others = [one for one in group if one not in literals]
    if not literals or not others:
        return [_finding(one, shape) for one in group]
    choices = dict.fromkeys(str((one.error.get("ctx") or {}).get("expected", "")) for one in literals)
    also = ", or ".join(choice.replace("'", "`") if "'" in choice else f"`{choice}`" for choice in choices)
    findings = (_finding(one, shape) for one in others)
    return [f if f.help.endswith("?") else f._replace(help=f"{f.help}, or {also}") for f in findings]


def _finding(located: _Located, shape: Shape) -> Finding:
    error, at = located
    make = _MAKERS.get(error["type"])
    if make is not None:
        return make(error, shape, at)
    context: Mapping[str, Any] = error.get("ctx") or {}
    code = error["type"] if "-" in error["type"] else "bad-format"
    help = str(context.get("help") or "") or _about(shape, error["loc"], "")
    return Finding(code, at, f"{dotted(at)}: {error['msg']}", help)


def _in_text(location: Location, root: Node, keep_last: bool) -> Location:
    """`location` without the steps that are not in the text: union tags and pydantic's own markers."""
    node, steps = root, []
    for index, step in enumerate(location):
        child = node.child(step)
        if child is not None:
            steps.append(step)
            node = child
        elif keep_last and index == len(location) - 1:
            steps.append(step)
    return tuple(steps)


def _missing(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    above = at(shape, error["loc"][:-1])
    info = fields(above).get(str(here[-1])) if above is not None else None
    description = f" ({info.description})" if info and info.description else ""
    value = f": {flow(info.examples[0])}" if info and info.examples else ""
    help = f"add `{here[-1]}{value}`{description}"
    return Finding("missing-key", here, f"`{dotted(here)}` is missing", help, on="key")


def _pattern(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    """A pattern is hard to read: an example is better, if there is one."""
    message = f"`{dotted(here)}` cannot be {quoted(error['input'])}"
    pattern = str((error.get("ctx") or {}).get("pattern", ""))
    return Finding("bad-format", here, message, _about(shape, error["loc"], f"use a value that matches `{pattern}`"))


def _about(shape: Shape, location: Location, otherwise: str) -> str:
    """An example of the innermost described field that `location` lies in, or `otherwise`; and its description."""
    for end in range(len(location), 0, -1):
        above = at(shape, location[: end - 1])
        info = fields(above).get(str(location[end - 1])) if above is not None else None
        if info is not None and info.description:
            help = f"use a value like `{flow(info.examples[0])}`" if info.examples else otherwise
            return f"{help} ({info.description})" if help else f"see the description of the key: {info.description}"
    return otherwise


def _unknown(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    above = at(shape, error["loc"][:-1])
    names = fields(above) if above is not None else {}
    if removed := removed_keys(above).get(str(here[-1])):
        return Finding("unknown-key", here, f"`{dotted(here)}` was removed from the spec", removed, on="key")
    key, colon, _ = str(here[-1]).partition(":")
    help = suggest(str(here[-1]), names, "the keys are") or "remove the key"
    if colon and key in names:
        help = f"add a space after the colon: `{key}: ...`"
    first, *inner = str(here[-1]).split(".")
    if all(inner) and inner and first in names:
        help = f"keys are nested here: `{first}: {'{'}{': {'.join(inner)}: ...{'}' * len(inner)}`"
    return Finding("unknown-key", here, f"`{dotted(here)}` is not a key of the spec", help, on="key")


def _choice(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    field = at(shape, error["loc"]) or at(shape, here)
    choices = [str(c) for c in _literals(field)]
    help = suggest(str(error["input"]), choices, "use one of" if len(choices) > 1 else "use")
    if (inner := fields(field)) and closest(str(error["input"]), choices) is None:
        help = f"{help}, or a mapping with the keys {', '.join(inner)}"
    return Finding("not-one-of", here, f"`{dotted(here)}` cannot be {quoted(error['input'])}", help)


def _tag(error: ErrorDetails, _: Shape, here: Location) -> Finding:
    context = error.get("ctx") or {}
    key = str(context.get("discriminator", "type")).strip("'")
    key = "type" if key.endswith("()") else key
    value = error["input"]
    expected = [t.strip().strip("'") for t in str(context.get("expected_tags", "")).split(",") if t.strip()]
    if isinstance(value, Mapping) and key in value:
        help = suggest(str(value[key]), expected, "use one of")
        return Finding("not-one-of", (*here, key), f"`{dotted((*here, key))}` cannot be {quoted(value[key])}", help)
    help = f"add `type`, one of: {', '.join(expected)}" if expected else "add `type`"
    return Finding("missing-key", (*here, "type"), f"`{dotted((*here, 'type'))}` is missing", help, on="key")


def _wrong_type(errors: list[ErrorDetails], shape: Shape, here: Location) -> Finding:
    """One Finding that names the types of all members of a union."""
    types = [_type(error["type"]) for error in errors]
    expected, value = " or ".join(dict.fromkeys(types)), errors[0]["input"]
    where = f"`{dotted(here)}`" if here else "the spec"
    conversions = [*(_conversion(value, kind) for kind in types), _as_mapping(value, shape, errors[0]["loc"])]
    help = next(filter(None, conversions), f"replace it by {expected}")
    return Finding("wrong-type", here, f"{where} must be {expected}, not {quoted(value)}", help)


def _as_mapping(value: object, shape: Shape, location: Location) -> str:
    """The mapping that `value` stands for, where the spec needs one; `""` if that is not clear.

    `wandb` stands for the key of that name, other texts and lists for the value of the first key, if it has their type.
    """
    known = fields(at(shape, location)) if location else {}
    if isinstance(value, str) and value in known:
        return f"write it as a mapping: `{location[-1]}: {{{value}: {{}}}}`"
    for name, info in list(known.items())[:1]:
        outer = set(map(_outer, variants(info.annotation)))
        if (isinstance(value, str) and str in outer) or (isinstance(value, list | tuple) and outer & {list, tuple}):
            return f"write it as a mapping: `{location[-1]}: {{{name}: {flow(value)}}}`"
    return ""


def _outer(shape: Shape) -> object:
    """`list` of `list[str]`."""
    origin: object = get_origin(shape)
    return shape if origin is None else origin


def _type(kind: str) -> str:
    return next((text for name, text in _KINDS.items() if kind.startswith(name)), "another type")


def _conversion(value: object, expected: str) -> str:
    """How to write `value` as the expected type; `""` where that is not clear."""
    if isinstance(value, str) and expected in ("a number", "a whole number") and _numeric(value):
        return "write the number without quotes"
    if expected == "text" and not isinstance(value, dict | list | None):
        return f'put it in quotes: "{value}"'
    if expected == "true or false" and str(value).lower() in _SWITCHES:
        return f"write `{_SWITCHES[str(value).lower()]}`"
    if expected == "a mapping" and isinstance(value, str) and (key := _UNSPACED.match(value)):
        return f"add a space after the colon: `{key[1]}: ...`"
    if expected == "a list" and not isinstance(value, dict | None):
        return f"write it as a list: [{value}]"
    return ""


def _range(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    words, key = _BOUNDS[error["type"]]
    limit = (error.get("ctx") or {}).get(key)
    message = f"`{dotted(here)}` must be {words} {limit}, not {quoted(error['input'])}"
    return Finding("out-of-range", here, message, _default(shape, error["loc"]) or f"use a value of {words} {limit}")


def _length(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    context = error.get("ctx") or {}
    limit = context.get("min_length", context.get("max_length"))
    text = error["type"].startswith("string")
    unit = "characters" if text else "entries"
    words = _LENGTHS[error["type"]]
    message = f"`{dotted(here)}` must have {words} {limit} {unit}"
    change = "shorten" if words == "at most" else "extend"
    return Finding("out-of-range", here, message, _default(shape, error["loc"]) or f"{change} it")


def _finite(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    message = f"`{dotted(here)}` must be a finite number, not {quoted(error['input'])}"
    return Finding("out-of-range", here, message, _default(shape, error["loc"]) or "use a finite number")


def _default(shape: Shape, location: Location) -> str:
    above = at(shape, location[:-1])
    info = fields(above).get(str(location[-1])) if above is not None and location else None
    if info is None or info.is_required() or info.default is None:
        return ""
    return f"remove the key to use the default, {flow(info.default)}"


def _literals(shape: Shape) -> list[object]:
    return [choice for variant in variants(shape) for choice in get_args(variant)] if shape is not None else []


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_MAKERS: dict[str, Callable[[ErrorDetails, Shape, Location], Finding]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _choice,
    "enum": _choice,
    "string_pattern_mismatch": _pattern,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _tag,
    "finite_number": _finite,
    **dict.fromkeys(_BOUNDS, _range),
    **dict.fromkeys(_LENGTHS, _length),
}
