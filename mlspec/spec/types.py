"""Values with a unit or a form of their own: sizes, durations, bounds, names, paths, secrets by reference.

Each stays the text that the user wrote, so that generated files say the same; a function beside it gives the number.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from mlspec.spec.spec_model import SpecModel

# Digits are few enough for every number to be finite, and those of ASCII: the tools that read them know no others.
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) *(B|KB|MB|GB|KiB|MiB|GiB)")
_SIZE_UNITS: Final = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_DURATION = re.compile(r"([0-9]{1,9}) *(s|m|h|d|w)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BOUND = re.compile(r"(>=|<=|==|>|<) *([-+]?(?:\.[0-9]{1,20}|[0-9]{1,15}(?:\.[0-9]{0,20})?)(?:[eE][-+]?[0-9]{1,2})?)")
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


_NONE: Final[Mapping[str, str]] = {}
Slip: TypeAlias = str | Callable[[re.Match[str]], str]


def _form(
    pattern: re.Pattern[str], what: str, example: str, bare: str = "", slips: Mapping[str, Slip] = _NONE
) -> BeforeValidator:
    """Text of that form.

    What has another one may still say what was meant: a number alone, for which `bare` is the help with the number as
    `{}`; or a slip, a regular expression with what it should have been.
    """

    def check(value: object) -> object:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number or isinstance(value, str)) or (isinstance(value, str) and pattern.fullmatch(value)):
            return value
        help = bare.format(value) if number else _meant(pattern, str(value), slips)
        raise PydanticCustomError("bad-format", "{what} looks like {example}",
                                  {"what": what, "example": f"`{example}`", "help": help})  # fmt: skip

    return BeforeValidator(check)


def _meant(pattern: re.Pattern[str], text: str, slips: Mapping[str, Slip]) -> str:
    if len(text) > 40:
        return ""
    for slip, right in slips.items():
        text = re.sub(slip, right, text)
    return f"did you mean `{text}`?" if pattern.fullmatch(text) else ""


def shown(pattern: str, *examples: str) -> FieldInfo:
    """What the JSON Schema says of a text: the form that an editor can check, and examples."""
    found: FieldInfo = Field(json_schema_extra={"pattern": f"^(?:{pattern})$"}, examples=list(examples) or None)
    return found


def _unit(slip: re.Match[str]) -> str:
    return f"{slip[1].strip()}{slip[2].upper()}{slip[3].lower()}B"


Size = Annotated[
    str,
    _form(_SIZE, "a size", "500MB", "give the unit: {}MB", {r"(?i)^([0-9. ]+)([kmg])(i?)b?$": _unit}),
    shown(_SIZE.pattern, "500MB", "1GiB"),
]
"""A number of bytes with its unit."""

Duration = Annotated[
    str,
    _form(_DURATION, "a duration", "5m", "give the unit: {0}s, {0}m or {0}h", {r"(?i) *([smhdw])[a-z]+$": r"\1"}),
    shown(_DURATION.pattern, "30s", "5m", "1d"),
]
"""A whole number of seconds, minutes, hours, days or weeks."""

Bound = Annotated[
    str,
    _form(
        _BOUND,
        "a bound",
        ">= 0.9",
        'say which way, in quotes: ">= {0}" or "<= {0}"',
        {"=>|≥": ">=", "=<|≤": "<=", "^=(?!=)": "=="},
    ),
    shown(_BOUND.pattern, ">= 0.9", "< 0.01"),
]
"""A comparison with a number."""


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
    """`text`, where it has only characters that a line can show. Raises the error of a validator."""
    if hidden := unprintable(text):
        message = f"this text has the character {hidden}, and has to stand in one line of a generated file"
        raise PydanticCustomError("bad-format", "{what}", {"what": message, "help": "remove the character"})
    return text


def unprintable(text: str) -> str:
    """The first character of `text` that cannot be printed, as `U+000A`; `""` where there is none."""
    return next((f"U+{ord(c):04X}" for c in text if not c.isprintable()), "")


_NAME = re.compile(r"(?=.{1,63}$)[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMPORT = re.compile(r"(?=.{3,200}$)[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*")

Name = Annotated[
    str,
    _form(_NAME, "a name of up to 63 small letters and digits, with single `-`, `_` or `.` between", "cola-classifier"),
    shown(_NAME.pattern),
]
"""A name that is valid for images, functions, indices and folders alike; an image's ends in a letter or digit."""

Identifier = Annotated[
    str, _form(_IDENTIFIER, "an environment variable's name", "WANDB_API_KEY"), shown(_IDENTIFIER.pattern)
]
"""The name of an environment variable."""

ImportPath = Annotated[
    str, _form(_IMPORT, "an import path", "src.model:CustomModel"), shown(_IMPORT.pattern, "src.model:CustomModel")
]
"""`module.path:attribute`; where it lies in the project, it is checked without importing it."""


MAX_FILE_NAME: Final = 255
"""Bytes: what Linux, macOS and Windows have in common."""
MAX_PATH: Final = 1000
"""Bytes of a path below the project's folder: macOS has 1024 for the whole."""


def _inside(text: str) -> str:
    """A path that stays in the project: relative, with no way up, in POSIX form."""
    parts = text.split("/")
    if not text or text.startswith(("/", "~")) or re.match(r"[A-Za-z]:", text) or ".." in parts or "\0" in text:
        raise PydanticCustomError(
            "path-outside-project",
            "{path} does not lie inside the project",
            {"path": f"`{text}`", "help": "give a path relative to the folder of mlproject.yaml, without `..`"},
        )
    if "\\" in text or any(ord(c) < 32 for c in text):
        raise PydanticCustomError("bad-format", "a path is written with `/`, without control characters", {"help": ""})
    return usable(text)


def usable(path: str) -> str:
    """`path`, where a file system can hold it. Raises the error of a validator."""
    longest = max(len(name.encode("utf-8", "surrogatepass")) for name in path.split("/"))
    whole = len(path.encode("utf-8", "surrogatepass"))
    if longest > MAX_FILE_NAME or whole > MAX_PATH:
        long = f"a name of {longest} bytes" if longest > MAX_FILE_NAME else f"{whole} bytes"
        message = f"this path has {long}; a file's name has at most {MAX_FILE_NAME}, a path {MAX_PATH}"
        raise PydanticCustomError("bad-format", "{what}", {"what": message, "help": ""})
    return path


ProjectPath = Annotated[
    str, AfterValidator(_inside), shown(r"(?![/~]|[A-Za-z]:)(?!(?:.*/)?\.\.(?:/|$))[^\\\x00-\x1f]+")
]
"""A POSIX path relative to the project's folder."""


class SecretRef(SpecModel):
    """A secret, by the name of the environment variable that holds it. Its value never enters the spec or a file."""

    env: Identifier = Field(description="Name of the environment variable", examples=["ELASTIC_API_KEY"])
