"""What pydantic found, said to a person: its error types become our codes, sentences and help."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

from pydantic_core import ErrorDetails

from mlspec.source.document import Location, Node, printable
from mlspec.spec.keys import Shape, at, fields, variants
from mlspec.spec.names import flow, suggest
from mlspec.spec.spec_model import Finding, dotted

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
"""What YAML 1.1 took for booleans, and YAML 1.2 does not."""
_UNSPACED = re.compile(r"(\w+):\S")
_LENGTHS = {
    "too_short": "at least",
    "too_long": "at most",
    "string_too_short": "at least",
    "string_too_long": "at most",
}


def explain(errors: Iterable[ErrorDetails], shape: Shape, root: Node) -> list[Finding]:
    """The Findings for pydantic's errors about the values in `root`, whose models are `shape`.

    A value that may be one of several kinds gets an error for each; it is told once, in the words of the kind that it
    came closest to. One whose inside was looked at was no wrong kind of value.
    """
    findings: dict[Location, list[Finding]] = {}
    for error in errors:
        found = _explain(error, shape, root)
        findings.setdefault(found.at, []).append(found)
    deeper = {at[:length] for at in findings for length in range(len(at))}
    told = [finding for same in findings.values() for finding in _closest(same)]
    return [finding for finding in told if not (finding.code == "wrong-type" and finding.at in deeper)]


def _closest(same: list[Finding]) -> list[Finding]:
    near = [f for f in same if f.code != "wrong-type"]
    if near or len(same) == 1:
        return near or same
    kinds = list(dict.fromkeys(f.message.partition(" must be ")[2].rpartition(", not ")[0] for f in same))
    where, _, what = same[0].message.partition(" must be ")
    return [replace(same[0], message=f"{where} must be {' or '.join(kinds)}, not {what.rpartition(', not ')[2]}")]


def _explain(error: ErrorDetails, shape: Shape, root: Node) -> Finding:
    kind, location = error["type"], error["loc"]
    here = _written(location, root, keep_last=kind in ("missing", "extra_forbidden"))
    make = _MAKERS.get(kind)
    if make is not None:
        return make(error, shape, here)
    if kind.endswith(("_type", "_parsing", "_from_float")):
        return _wrong_type(error, shape, here)
    context: Mapping[str, Any] = error.get("ctx") or {}
    code = kind if "-" in kind else "bad-format"
    return Finding(code, here, f"{dotted(here)}: {error['msg']}", str(context.get("help", "")))


def _written(location: Location, root: Node, keep_last: bool) -> Location:
    """`location` without the steps that the text does not have: union tags, pydantic's own markers."""
    node, found = root, []
    for index, step in enumerate(location):
        child = node.child(step)
        if child is not None:
            found.append(step)
            node = child
        elif keep_last and index == len(location) - 1:
            found.append(step)
    return tuple(found)


def _missing(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    above = at(shape, error["loc"][:-1])
    info = fields(above).get(str(here[-1])) if above is not None else None
    description = f"{info.description}" if info and info.description else ""
    example = f", for example `{flow(info.examples[0])}`" if info and info.examples else ""
    return Finding("missing-key", here, f"`{dotted(here)}` is missing", description + example, on="key")


def _pattern(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    """The pattern itself says little to a person: what the field is and an example of it say more."""
    message = f"`{dotted(here)}` cannot be {shown(error['input'])}"
    pattern = str((error.get("ctx") or {}).get("pattern", ""))
    return Finding("bad-format", here, message, _about(shape, error["loc"], f", of the form `{pattern}`"))


def _about(shape: Shape, location: Location, otherwise: str) -> str:
    """What the nearest field that `location` lies in is for, with an example, or `otherwise` where it has none."""
    for end in range(len(location), 0, -1):
        above = at(shape, location[: end - 1])
        info = fields(above).get(str(location[end - 1])) if above is not None else None
        if info is not None and info.description:
            example = f", for example `{flow(info.examples[0])}`" if info.examples else otherwise
            return info.description + example
    return otherwise.removeprefix(", ")


def _unknown(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    above = at(shape, error["loc"][:-1])
    names = fields(above) if above is not None else {}
    key, colon, _ = str(here[-1]).partition(":")
    help = suggest(str(here[-1]), names, "the keys here are")
    if colon and key in names:
        help = f"a colon needs a space behind it: `{key}: ...`"
    return Finding("unknown-key", here, f"`{dotted(here)}` is not a key of the spec", help, on="key")


def _choice(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    field = at(shape, error["loc"]) or at(shape, here)
    choices = [str(c) for c in _literals(field)]
    help = suggest(str(error["input"]), choices, "choose from")
    return Finding("not-one-of", here, f"`{dotted(here)}` cannot be {shown(error['input'])}", help)


def _tag(error: ErrorDetails, _: Shape, here: Location) -> Finding:
    context = error.get("ctx") or {}
    key = str(context.get("discriminator", "type")).strip("'")
    key = "type" if key.endswith("()") else key
    given = error["input"]
    expected = [t.strip().strip("'") for t in str(context.get("expected_tags", "")).split(",") if t.strip()]
    if isinstance(given, Mapping) and key in given:
        help = suggest(str(given[key]), expected, "choose from")
        return Finding("not-one-of", (*here, key), f"`{dotted((*here, key))}` cannot be {shown(given[key])}", help)
    return Finding("missing-key", (*here, "type"), f"`{dotted((*here, 'type'))}` is missing", "", on="key")


def _wrong_type(error: ErrorDetails, _: Shape, here: Location) -> Finding:
    expected = next((text for name, text in _KINDS.items() if error["type"].startswith(name)), "another kind of value")
    help = ""
    if isinstance(error["input"], str) and expected in ("a number", "a whole number"):
        help = "write the number without quotes" if _numeric(error["input"]) else ""
    elif expected == "text" and not isinstance(error["input"], dict | list):
        help = f'put it in quotes: "{error["input"]}"'
    elif expected == "true or false" and str(error["input"]).lower() in _SWITCHES:
        help = f"write `{_SWITCHES[str(error['input']).lower()]}`"
    elif expected == "a mapping" and isinstance(error["input"], str) and (key := _UNSPACED.match(error["input"])):
        help = f"a colon needs a space behind it: `{key[1]}: ...`"
    elif expected == "a list" and not isinstance(error["input"], dict):
        help = f"write it as a list: [{error['input']}]"
    where = f"`{dotted(here)}`" if here else "the spec"
    return Finding("wrong-type", here, f"{where} must be {expected}, not {shown(error['input'])}", help)


def _range(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    words, key = _BOUNDS[error["type"]]
    limit = (error.get("ctx") or {}).get(key)
    message = f"`{dotted(here)}` must be {words} {limit}, not {shown(error['input'])}"
    return Finding("out-of-range", here, message, _default(shape, error["loc"]))


def _length(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    context = error.get("ctx") or {}
    limit = context.get("min_length", context.get("max_length"))
    text = error["type"].startswith("string")
    unit = "characters" if text else "entries"
    message = f"`{dotted(here)}` must have {_LENGTHS[error['type']]} {limit} {unit}"
    return Finding("out-of-range", here, message, _default(shape, error["loc"]))


def _finite(error: ErrorDetails, shape: Shape, here: Location) -> Finding:
    message = f"`{dotted(here)}` must be a finite number, not {shown(error['input'])}"
    return Finding("out-of-range", here, message, _default(shape, error["loc"]))


def _default(shape: Shape, location: Location) -> str:
    above = at(shape, location[:-1])
    info = fields(above).get(str(location[-1])) if above is not None and location else None
    if info is None or info.is_required() or info.default is None:
        return ""
    return f"leave the key out to use the default, {info.default}"


def _literals(shape: Shape) -> list[object]:
    return [choice for variant in variants(shape) for choice in get_args(variant)] if shape is not None else []


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def shown(value: object) -> str:
    """A value as it may stand in a sentence: short, and never over more than one line."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f'"{printable(value if len(value) <= 40 else value[:37] + "...")}"'
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return str(value)[:40]


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
