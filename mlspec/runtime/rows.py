"""Values of a request to rows for the model, and nothing else: what does not fit the contract is refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlspec.runtime.contract import Contract, Kind

Row = dict[str, object]


class RefusedError(Exception):
    """A request that is at fault: an HTTP status, a code that never changes, a sentence, where in the body."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Sequence[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, tuple(details)
        self.headers = headers or {}

    def body(self) -> dict[str, object]:
        """What the answer says is wrong with the request."""
        made: dict[str, object] = {"error": self.message, "code": self.code}
        return made | ({"details": list(self.details)} if self.details else {})


def rows(value: Sequence[Any], contract: Contract, most: int) -> list[Row]:
    """The rows in `value`, each checked against the contract. Raises RefusedError 422 that lists every fault."""
    if not value:
        raise RefusedError(422, "no-rows", "there is no row to predict for")
    if len(value) > most:
        raise RefusedError(
            413, "too-many-rows", f"{len(value)} rows are more than the {most} that one request may have"
        )
    try:
        return [_fitting(row, contract) for row in value]
    except (ValueError, TypeError):
        return _with_faults(value, contract)


def _fitting(row: Any, contract: Contract) -> Row:
    """The row, which fits: the way of nearly all. Raises ValueError or TypeError for one that does not."""
    if type(row) is not dict or len(row) != len(contract.inputs):
        raise ValueError
    return {name: _READ[kind](row.get(name, _ABSENT)) for name, kind in contract.inputs.items()}


def _with_faults(value: Sequence[Any], contract: Contract) -> list[Row]:
    details: list[dict[str, object]] = []
    made = [_row(row, index, contract, details) for index, row in enumerate(value)]
    if details:
        first = details[0]
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        place = f"row {first['row']}" + (f", `{first['input']}`" if first["input"] else "")
        raise RefusedError(422, "bad-row", f"{place}: {first['problem']}{more}", details[:100])
    return made


def _row(row: object, index: int, contract: Contract, details: list[dict[str, object]]) -> Row:
    def fault(name: str, problem: str) -> None:
        details.append({"row": index, "input": name, "problem": problem})

    if not isinstance(row, dict):
        fault("", f"a row is an object with {', '.join(contract.inputs)}")
        return {}
    for name in row:
        if name not in contract.inputs:
            fault(str(name)[:100], "the model has no such input")
    made: Row = {}
    for name, kind in contract.inputs.items():
        if name not in row:
            fault(name, "it is missing")
            continue
        try:
            made[name] = _READ[kind](row[name])
        except ValueError as error:
            fault(name, str(error))
    return made


def _text(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("it must be text or null")
    return _writable(value)


def _writable(value: str) -> str:
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair") from None
    return value


def _number(value: object) -> object:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("it must be a number or null")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("it is too large for a number")
    return number


def _image(value: object) -> object:
    """Base64 or lists of pixels: only decoding it shows what it is, and preprocessing does that."""
    if not isinstance(value, str | list):
        raise ValueError("it must be the image's file in base64, or a list of pixel rows")
    return value


_ABSENT = object()
_READ: dict[Kind, Callable[[object], object]] = {
    "text": _text, "category": _text, "number": _number, "image": _image,
}  # fmt: skip
