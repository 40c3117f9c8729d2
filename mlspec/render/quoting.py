"""Filters that quote a value for a format. Every value in a generated file goes through one of them.

The output of `yaml` has the same value for readers of YAML 1.1 and 1.2 and for OmegaConf.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import yaml as pyyaml
from pydantic_core import to_json as to_json_bytes

from mlspec.render.hcl import hcl, hcl_document

_BASE = getattr(pyyaml, "CSafeDumper", pyyaml.SafeDumper)
_AMBIGUOUS = re.compile(
    r"""(?x) [-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)? | 0[oOxXbB][0-9a-fA-F_]+ | [-+]?[0-9][0-9_:.]*
    | [-+]?\.?(inf|nan|Inf|NaN|INF|NAN) | (?i:true|false|yes|no|on|off|null|y|n|~) | [=<].* """
)

_PLAIN = re.compile(r"[A-Za-z_](?:[\w./+-]*[\w+])?(?: [\w./+-]*[\w+])*", re.ASCII)
"""Text that YAML writes as it is, unless it is `_AMBIGUOUS`; most values are, and a dumper for each takes time."""

_SMALL_OR_LARGE = re.compile(r"[0-9]e|0\.0000")
"""Numbers that `json.dumps` writes with an exponent of two digits."""

_HIDDEN = re.compile("[\x85\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that reorder or break a line on display: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters."""


def _visible(text: str) -> str:
    """Replace those characters by escapes of JSON and of YAML in double quotes."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class _Dumper(_BASE):  # type: ignore[misc, valid-type]
    """A dumper without aliases; otherwise like libyaml, so that the text is the same if PyYAML is built without it."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _string(dumper: pyyaml.SafeDumper, text: str) -> pyyaml.ScalarNode:
    broken = text.splitlines() not in ([text], []) or _HIDDEN.search(text)
    style = '"' if broken else "'" if _AMBIGUOUS.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _float(dumper: pyyaml.SafeDumper, number: float) -> pyyaml.ScalarNode:
    text = repr(number)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    special = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}
    return dumper.represent_scalar("tag:yaml.org,2002:float", special.get(text, text))


_Dumper.add_representer(str, _string)
_Dumper.add_representer(float, _float)


def yaml(value: object) -> str:
    """`value` as YAML: block style for mappings and lists, one line for a scalar. No newline at the end."""
    if _is_plain(value, 80):
        return str(value)
    text: str = pyyaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )
    return _visible(text.removesuffix("\n").removesuffix("\n..."))


def flow(value: object) -> str:
    """`value` as YAML on one line."""
    if _is_plain(value, 10**6):
        return str(value)
    text: str = pyyaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=True
    )
    return _visible(text.removesuffix("\n").removesuffix("\n..."))


def _is_plain(value: object, longest: int) -> bool:
    if type(value) is int:
        return True
    return (
        type(value) is str
        and len(value) <= longest
        and _PLAIN.fullmatch(value) is not None
        and _AMBIGUOUS.fullmatch(value) is None
    )


def hydra(value: object) -> object:
    """`value` with every `${` escaped for OmegaConf (https://omegaconf.readthedocs.io, escaped interpolations)."""
    if isinstance(value, str):
        return re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + "\\${", value)
    if isinstance(value, Mapping):
        return {key: hydra(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hydra(item) for item in value]
    return value


def to_json(value: object) -> str:
    """`value` as JSON on one line; also a valid JavaScript, and within printable ASCII a valid Python string."""
    return json.dumps(value, ensure_ascii=True)


def pretty_json(value: object) -> str:
    """`value` as JSON, two spaces a level."""
    return _visible(_indented_json(value))


def _indented_json(value: object) -> str:
    """As `json.dumps` writes it, which with an indent takes ten times as long."""
    try:
        text = to_json_bytes(value, indent=2).decode()
    except ValueError:  # half of a surrogate pair, which only `json.dumps` writes
        text = ""
    return text if text and not _SMALL_OR_LARGE.search(text) else json.dumps(value, ensure_ascii=False, indent=2)


def python(value: object) -> str:
    """`value` as a Python literal, with double quotes like formatters."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{python(k)}: {python(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(python(item) for item in value) + "]"
    text = repr(value)
    if isinstance(value, str) and text.startswith("'") and not {"'", '"'} & set(value):
        return f'"{text[1:-1]}"'
    return text


def shell(value: object) -> str:
    """`value` as one POSIX shell word (POSIX.1-2017, 2.2.2 single quotes)."""
    return shlex.quote(str(value))


def dockerfile(value: object) -> str:
    """`value` in double quotes for ENV, LABEL and ARG (https://docs.docker.com/reference/dockerfile/#escape)."""
    text = _one_line(str(value)).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{text}"'


def label_key(value: object) -> str:
    """`value` as the key of a LABEL: without quotes where it needs none."""
    return str(value) if re.fullmatch(r"[A-Za-z0-9][\w./-]*", str(value), re.ASCII) else dockerfile(value)


def comment(value: object) -> str:
    """`value` as text of a one-line comment in any format."""
    return _one_line(str(value))


def line(value: object) -> str:
    """`value` as one line of a YAML literal block; line breaks become spaces."""
    return _one_line(str(value))


def ini(value: object) -> str:
    """`value` for DVC's configuration, which configobj reads: in the kind of quotes that it does not contain.

    The format has no escapes (https://configobj.readthedocs.io, "The Config File Format"), so the spec's models reject
    text with both kinds of quotes, and with `%(`, which configobj replaces.
    """
    text = _one_line(str(value))
    if re.fullmatch(r"[\w./:@-]+", text):
        return text
    quote = "'" if '"' in text else '"'
    return f"{quote}{text}{quote}"


def _one_line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


FILTERS: dict[str, Callable[[Any], object]] = {
    "yaml": yaml,
    "flow": flow,
    "hydra": hydra,
    "json": to_json,
    "pretty_json": pretty_json,
    "python": python,
    "shell": shell,
    "dockerfile": dockerfile,
    "label_key": label_key,
    "hcl": hcl,
    "hcl_document": hcl_document,
    "comment": comment,
    "line": line,
    "ini": ini,
}
