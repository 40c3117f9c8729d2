"""JSON text to values and back, strictly: UTF-8, no duplicate keys, no NaN, limited nesting."""

from __future__ import annotations

import json
from typing import NoReturn, TypeAlias

import orjson

from mlspec.runtime.rows import RefusedError

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"


def parse(body: bytes) -> JsonValue:
    """The value of `body`. Raises RefusedError 400 with the reason.

    orjson silently keeps the last of two equal keys. Each key has a colon, so if there are as many colons as keys, no
    key is duplicated; otherwise (for example with a colon in a string) the strict parser decides.
    """
    try:
        value: JsonValue = orjson.loads(body)
        if _keys(value) == body.count(b":"):
            return value
    except (orjson.JSONDecodeError, RecursionError):
        pass  # the strict parser reports the reason
    return _strictly(body)


def _keys(value: JsonValue) -> int:
    """The total number of keys of all objects in `value`."""
    if isinstance(value, dict):
        return len(value) + sum([_keys(v) for v in value.values() if isinstance(v, dict | list)])
    if isinstance(value, list):
        return sum([_keys(v) for v in value if isinstance(v, dict | list)])
    return 0


def _strictly(body: bytes) -> JsonValue:
    if not body:
        raise RefusedError(400, "bad-json", "the body is empty; send a JSON value")
    try:
        value: JsonValue = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        return value
    except UnicodeDecodeError:
        raise RefusedError(400, "bad-json", "the body is not UTF-8") from None
    except RecursionError:
        raise RefusedError(400, "bad-json", "the body is nested too deeply") from None
    except ValueError as error:
        raise RefusedError(400, "bad-json", f"the body is not JSON: {error}") from None


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} is duplicated")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def written(value: object) -> bytes:
    """The JSON text of a response. An unpaired surrogate from a request is escaped."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
