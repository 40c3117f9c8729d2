"""Values with a unit or a special form: sizes, durations, bounds, names, paths, references to secrets.

A value stays the text that the user wrote, so that generated files have the same text; functions convert it to numbers.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from mlspec.spec.names import plain_name, quoted
from mlspec.spec.spec_model import SpecModel

# The number of digits is limited so that every number is finite. Other tools read ASCII digits only.
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) *(B|KB|MB|GB|KiB|MiB|GiB)")
_SIZE_UNITS: Final = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_DURATION = re.compile(r"([0-9]{1,9}) *(s|m|h|d|w)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_RATE = re.compile(r"([1-9][0-9]{0,11}) +per +([1-9][0-9]{0,8} *(?:s|m|h|d|w))")
_BOUND = re.compile(r"(>=|<=|==|>|<) *([-+]?(?:\.[0-9]{1,20}|[0-9]{1,15}(?:\.[0-9]{0,20})?)(?:[eE][-+]?[0-9]{1,2})?)")
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


_NONE: Final[Mapping[str, str]] = {}
Slip: TypeAlias = str | Callable[[re.Match[str]], str]


def _form(
    pattern: re.Pattern[str], what: str, example: str, bare: str = "", slips: Mapping[str, Slip] = _NONE
) -> BeforeValidator:
    """A validator of text that matches `pattern`.

    `what` and `example` are for the message. `bare` is the help for a number without a unit, with the number as `{}`.
    `slips` maps regular expressions of common mistakes to their replacement, for a suggestion.
    """

    def check(value: object) -> object:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number or isinstance(value, str)) or (isinstance(value, str) and pattern.fullmatch(value)):
            return value
        help = bare.format(value) if number else _suggestion(pattern, str(value), slips)
        context = {"what": what, "value": quoted(value), "help": help or f"for example `{example}`"}
        raise PydanticCustomError("bad-format", "expected {what}, not {value}", context)

    return BeforeValidator(check)


def _suggestion(pattern: re.Pattern[str], text: str, slips: Mapping[str, Slip]) -> str:
    if len(text) > 40:
        return ""
    for slip, right in slips.items():
        text = re.sub(slip, right, text)
    return f"did you mean `{text}`?" if pattern.fullmatch(text) else ""


def schema_pattern(pattern: str, *examples: str) -> FieldInfo:
    """The pattern and the examples of a text in the JSON Schema, for editors."""
    info: FieldInfo = Field(json_schema_extra={"pattern": f"^(?:{pattern})$"}, examples=list(examples) or None)
    return info


def _unit(slip: re.Match[str]) -> str:
    return f"{slip[1].strip()}{slip[2].upper()}{slip[3].lower()}B"


def null_as(neutral: object) -> BeforeValidator:
    """A validator that reads null, which earlier versions wrote for a key without a value, as the `neutral` value.

    A key that DVC compares needs a value that says "not set": DVC does not notice a parameter that disappears, and a
    null has no type.
    """
    return BeforeValidator(lambda value: neutral if value is None else value)


Size = Annotated[
    str,
    _form(_SIZE, "a size with a unit", "500MB", "add a unit: {}MB", {r"(?i)^([0-9. ]+)([kmg])(i?)b?$": _unit}),
    schema_pattern(_SIZE.pattern, "500MB", "1GiB"),
]
"""A number of bytes with its unit."""

Duration = Annotated[
    str,
    _form(
        _DURATION, "a duration with a unit", "5m", "add a unit: {0}s, {0}m or {0}h", {r"(?i) *([smhdw])[a-z]+$": r"\1"}
    ),
    schema_pattern(_DURATION.pattern, "30s", "5m", "1d"),
]
"""A whole number of seconds, minutes, hours, days or weeks."""

Bound = Annotated[
    str,
    _form(
        _BOUND,
        "a comparison with a number",
        ">= 0.9",
        'add the comparison, in quotes: ">= {0}" or "<= {0}"',
        {"=>|≥": ">=", "=<|≤": "<=", "^=(?!=)": "=="},
    ),
    schema_pattern(_BOUND.pattern, ">= 0.9", "< 0.01"),
]
"""A comparison with a number."""


Rate = Annotated[
    str,
    _form(
        _RATE,
        "a number per duration",
        "1 per 90d",
        "add the duration: {0} per 1d",
        {r"(?i) *(/|a|an|every) *([0-9])": r" per \2", r"(?i) *(per|/|a) *(day|d)$": " per 1d"},
    ),
    schema_pattern(_RATE.pattern, "1 per 90d", "1000 per 1d"),
]
"""A whole number above 0 per duration."""


def size_bytes(size: str) -> int:
    """Bytes of a Size."""
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ValueError(f"not a size: {size!r}")
    return int(float(match[1]) * _SIZE_UNITS[match[2]])


def duration_seconds(duration: str) -> int:
    """Seconds of a Duration."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(f"not a duration: {duration!r}")
    return int(match[1]) * _SECONDS[match[2]]


def rate_parts(rate: str) -> tuple[int, int]:
    """The number and the seconds of a Rate: `(1, 86400)`."""
    match = _RATE.fullmatch(rate)
    if match is None:
        raise ValueError(f"not a rate: {rate!r}")
    return int(match[1]), duration_seconds(match[2])


def bound_parts(bound: str) -> tuple[str, float]:
    """The comparison and the number of a Bound: `(">=", 0.9)`."""
    match = _BOUND.fullmatch(bound)
    if match is None:
        raise ValueError(f"not a bound: {bound!r}")
    return match[1], float(match[2])


def holds(bound: str, value: float) -> bool:
    """Whether `value` satisfies the Bound; a NaN satisfies none."""
    sign, number = bound_parts(bound)
    return _COMPARE[sign](value, number)


def one_line(text: str) -> str:
    """`text`, if it is one line of printable characters. Raises PydanticCustomError."""
    if hidden := unprintable(text):
        message = f"the text contains the character {hidden}; it must be one line of printable characters"
        raise PydanticCustomError("bad-format", "{what}", {"what": message, "help": "remove the character"})
    return text


def unprintable(text: str) -> str:
    """The first unprintable character of `text` as `U+000A`, or `""`."""
    return next((f"U+{ord(c):04X}" for c in text if not c.isprintable()), "")


_NAME = re.compile(r"(?=.{1,63}$)[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_IDENTIFIER = re.compile(r"(?=.{1,255}$)[A-Za-z_][A-Za-z0-9_]*")
_IMPORT = re.compile(r"(?=.{3,200}$)[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*")

Name = Annotated[
    str,
    _form(
        _NAME,
        "up to 63 lowercase letters and digits, with single `-`, `_` or `.` between",
        "cola-classifier",
        slips={r"(?s)\A.+\Z": lambda slip: plain_name(slip[0])},
    ),
    schema_pattern(_NAME.pattern),
]
"""A name that is valid for images, functions, indices and folders."""

Identifier = Annotated[
    str,
    _form(_IDENTIFIER, "the name of an environment variable, of up to 255 characters", "WANDB_API_KEY"),
    schema_pattern(_IDENTIFIER.pattern),
]
"""The name of an environment variable."""

ImportPath = Annotated[
    str,
    _form(
        _IMPORT,
        "an import path",
        "src.model:CustomModel",
        slips={
            r"\A([\w./]+)\.py\b": lambda slip: slip[1].removeprefix("./").replace("/", "."),
            r"\A([^:]+)\.(\w+)\Z": r"\1:\2",
        },
    ),
    schema_pattern(_IMPORT.pattern, "src.model:CustomModel"),
]
"""`module.path:attribute`; one in the project is checked without importing it."""


_PROGRAM = re.compile(r"(?=.{1,1000}$)(?:[A-Za-z0-9_./][A-Za-z0-9_./@+ -]*)?[A-Za-z0-9_]")

ProgramPath = Annotated[
    str,
    _form(_PROGRAM, "the path of a program: letters, digits, spaces and `./_-+@`", ".venv/bin/python"),
    schema_pattern(_PROGRAM.pattern),
]
"""A program on this machine: relative to the project folder, or absolute."""

MAX_FILE_NAME: Final = 255
"""Limit in bytes that is valid on Linux, macOS and Windows."""
MAX_PATH: Final = 1000
"""Limit in bytes of a path below the project folder: macOS allows 1024 for the whole path."""


def _inside(text: str) -> str:
    """A path in the project: relative, POSIX, without `..`."""
    parts = text.split("/")
    if not text or text.startswith(("/", "~")) or re.match(r"[A-Za-z]:", text) or ".." in parts or "\0" in text:
        raise PydanticCustomError(
            "path-outside-project",
            "{path} is outside the project folder",
            {"path": f"`{text}`", "help": "use a path relative to the folder of mlproject.yaml, without `..`"},
        )
    if "\\" in text or any(ord(c) < 32 for c in text):
        help = "for example `src/model.py`"
        raise PydanticCustomError("bad-format", "a path uses `/` and contains no control characters", {"help": help})
    return usable(text)


def usable(path: str) -> str:
    """`path`, if it is not too long for a file system. Raises PydanticCustomError."""
    longest = max(len(name.encode("utf-8", "surrogatepass")) for name in path.split("/"))
    whole = len(path.encode("utf-8", "surrogatepass"))
    if longest > MAX_FILE_NAME or whole > MAX_PATH:
        long = f"a name of {longest} bytes" if longest > MAX_FILE_NAME else f"{whole} bytes"
        message = f"the path has {long}; the limits are {MAX_FILE_NAME} bytes for a name and {MAX_PATH} for a path"
        raise PydanticCustomError("bad-format", "{what}", {"what": message, "help": "shorten the path"})
    return path


ProjectPath = Annotated[
    str, AfterValidator(_inside), schema_pattern(r"(?![/~]|[A-Za-z]:)(?!(?:.*/)?\.\.(?:/|$))[^\\\x00-\x1f]+")
]
"""A POSIX path relative to the project folder."""


class SecretRef(SpecModel):
    """The name of an environment variable with a secret. The value itself is never written to a file."""

    env: Identifier = Field(description="Name of the environment variable", examples=["ELASTIC_API_KEY"])
