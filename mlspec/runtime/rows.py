"""Validates the rows of a request against the contract; errors name the row and the input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from mlspec.runtime.contract import Contract, Kind

Row = dict[str, object]


class RefusedError(Exception):
    """An invalid request: HTTP status, stable code, message, details about rows, and response headers."""

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
        """The JSON body of the error response."""
        body: dict[str, object] = {"error": self.message, "code": self.code}
        return body | ({"details": list(self.details)} if self.details else {})


def rows(value: Sequence[object], contract: Contract, most: int) -> list[Row]:
    """The rows in `value`, checked against the contract. Raises RefusedError 422 with all faults, or 413."""
    if not value:
        raise RefusedError(422, "no-rows", "the request has no rows")
    if len(value) > most:
        raise RefusedError(413, "too-many-rows", f"the request has {len(value)} rows, the limit is {most}")
    try:
        return [_fitting(row, contract) for row in value]
    except (ValueError, TypeError):
        return _with_faults(value, contract)


def _fitting(row: object, contract: Contract) -> Row:
    """The converted row (fast path). Raises ValueError or TypeError for an invalid row."""
    if type(row) is not dict or len(row) != len(contract.inputs):
        raise ValueError
    return {name: _READ[kind](row.get(name, _ABSENT)) for name, kind in contract.inputs.items()}


def _with_faults(value: Sequence[object], contract: Contract) -> list[Row]:
    details: list[dict[str, object]] = []
    rows_ = [_row(row, index, contract, details) for index, row in enumerate(value)]
    if details:
        first = details[0]
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        place = f"row {first['row']}" + (f", `{first['input']}`" if first["input"] else "")
        raise RefusedError(422, "bad-row", f"{place}: {first['problem']}{more}", details[:100])
    return rows_


def _row(row: object, index: int, contract: Contract, details: list[dict[str, object]]) -> Row:
    def fault(name: str, problem: str) -> None:
        details.append({"row": index, "input": name, "problem": problem})

    if not isinstance(row, dict):
        fault("", f"a row is an object with {', '.join(contract.inputs)}")
        return {}
    for name in row:
        if name not in contract.inputs:
            fault(str(name)[:100], "unknown input")
    fitted: Row = {}
    for name, kind in contract.inputs.items():
        if name not in row:
            fault(name, "is missing; null stands for an unknown value")
            continue
        try:
            fitted[name] = _READ[kind](row[name])
        except ValueError as error:
            fault(name, str(error))
    return fitted


def _text(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("must be text or null")
    return _writable(value)


def _writable(value: str) -> str:
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("contains an unpaired surrogate") from None
    return value


def _number(value: object) -> object:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number or null")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("is too large for float64")
    return number


def _image(value: object) -> object:
    """Base64 or lists of pixels; the preprocessing decodes and checks them."""
    if not isinstance(value, str | list):
        raise ValueError("must be an image file in base64, or a list of pixel rows")
    return value


_ABSENT = object()
_READ: dict[Kind, Callable[[object], object]] = {
    "text": _text, "category": _text, "number": _number, "image": _image,
}  # fmt: skip
