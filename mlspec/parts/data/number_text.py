"""Numbers written as text: their thousands and decimal separators, and the setting with which they can be read."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from mlspec.sections.data import Format

_SPACES = "\u00a0\u202f\u2009"
"""Unicode spaces that separate thousands, besides the plain one."""
_TRIED = 5000
"""Maximum number of distinct values on which separators are tried."""
_THREE = re.compile(r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}")


class Separators(NamedTuple):
    """The decimal and the thousands separator; `thousands` is empty if there is none."""

    decimal: str
    thousands: str

    @classmethod
    def of(cls, format: Format) -> Separators:
        """The separators of the spec; by default a decimal point."""
        return cls(format.decimal or ".", format.thousands or "")

    def settings(self) -> str:
        """The keys of the spec that set these separators."""
        keys = [f'decimal: "{self.decimal}"'] if self.decimal != "." or not self.thousands else []
        keys += [f'thousands: "{self.thousands}"'] if self.thousands else []
        return f"`data: {{format: {{{', '.join(keys)}}}}}`"


POINT = Separators(".", "")


@lru_cache(maxsize=16)
def _pattern(separators: Separators) -> re.Pattern[str]:
    digits = "[0-9]+"
    if separators.thousands:
        digits = rf"(?:[1-9][0-9]{{0,2}}(?:{re.escape(separators.thousands)}[0-9]{{3}})+|[0-9]+)"
    point = re.escape(separators.decimal)
    return re.compile(rf"[-+]?(?:{digits}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][-+]?[0-9]+)?")


def number(value: object, separators: Separators = POINT) -> float:
    """The number that `value` is, or that its text represents; NaN if it is not a number."""
    if isinstance(value, str):
        written = _plain(value).strip(" \t\r\n")
        if not _pattern(separators).fullmatch(written):
            return _infinite(written)
        value = written.replace(separators.thousands, "") if separators.thousands else written
        value = value.replace(separators.decimal, ".")
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _plain(text: str) -> str:
    """The text with plain spaces in place of the Unicode spaces that separate thousands."""
    return text if text.isascii() else re.sub(f"[{_SPACES}]", " ", text)


def _infinite(written: str) -> float:
    return float(written) if written.lower().lstrip("+-") in ("inf", "infinity") else math.nan


def advice(bad: Sequence[object], good: Iterable[object], now: Separators) -> str:
    """The setting with which all values of a column are numbers; if there are several, each with an example."""
    texts = [value for value in bad if isinstance(value, str)]
    if not texts or len(texts) < len(bad):
        return ""
    every = list(dict.fromkeys([*texts, *(value for value in good if isinstance(value, str))]))[:_TRIED]
    ways = [way for way in _ways() if way != now and not any(math.isnan(number(text, way)) for text in every)]
    ways = [way for way in ways if not (way.thousands and all(way.thousands not in _plain(text) for text in every))]
    meanings = {tuple(number(text, way) for text in every): way for way in reversed(ways)}
    if len(meanings) == 1:
        return f"set {next(iter(meanings.values())).settings()}"
    meanings_text = [f"`{texts[0]}` is {number(texts[0], way):.15g} with {way.settings()}" for way in meanings.values()]
    return ", and ".join(reversed(meanings_text))


def _ways() -> Iterable[Separators]:
    pairs = itertools.product((".", ","), ("", ",", ".", " ", "'", "_"))
    return (Separators(decimal, thousands) for decimal, thousands in pairs if decimal != thousands)


def thousands_or_decimals(values: Sequence[str]) -> bool:
    """Whether the point in all values could separate either thousands or decimals, as in `12.500`."""
    pointed = [value.strip() for value in values if "." in value]
    return bool(pointed) and all(map(_THREE.fullmatch, pointed))
