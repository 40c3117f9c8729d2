"""Every value of what a tool makes, changed alone: those whose change nothing finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeAlias

from pydantic import JsonValue

Detected: TypeAlias = Callable[[], bool]


def unseen(value: JsonValue, at: str, detected: Detected) -> Iterator[str]:
    """Paths of the values of that document whose change `detected` does not find, and of the keys of its maps and the
    items of its lists whose absence it does not."""
    if isinstance(value, dict):
        for key in list(value):
            yield from _unseen(value, key, f"{at}{key}", detected)
            yield from _unseen_absence(value, key, f"{at}{key}", detected)
    elif isinstance(value, list):
        for number, inner in enumerate(list(value)):
            yield from _unseen(value, number, f"{at}{number}", detected)
            value.pop(number)
            if not detected():
                yield f"without {at}{number}"
            value.insert(number, inner)


def _unseen_absence(value: dict[str, JsonValue], key: str, at: str, detected: Detected) -> Iterator[str]:
    """The path, where nothing finds that the key is missing. What is empty anyway says nothing."""
    items = dict(value)
    if value.pop(key) not in (None, "", [], {}) and not detected():
        yield f"without {at}"
    value.clear()
    value.update(items)


def _unseen(of: JsonValue, key: str | int, at: str, detected: Detected) -> Iterator[str]:
    inner = of[key]  # type: ignore[index,call-overload]
    if isinstance(inner, dict | list):
        yield from unseen(inner, f"{at}.", detected)
    elif inner is not None:
        yield from _unseen_change(of, key, _another(inner), at, detected)


def _unseen_change(of: JsonValue, key: str | int, other: JsonValue, at: str, detected: Detected) -> Iterator[str]:
    """The path, where nothing finds that value in its place."""
    before = of[key]  # type: ignore[index,call-overload]
    of[key] = other  # type: ignore[index,call-overload]
    if not detected():
        yield at
    of[key] = before  # type: ignore[index,call-overload]


def _another(value: JsonValue) -> JsonValue:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}x"


def unseen_settings(values: JsonValue, expressions: JsonValue, at: str, detected: Detected) -> Iterator[str]:
    """Those of planned values that a module of Terraform sets itself: `expressions` has them all. The order of its
    blocks may be another one."""
    if isinstance(expressions, list):
        blocks = [block for block in expressions if isinstance(block, dict)]
        keys = {key: [block[key] for block in blocks if key in block] for block in blocks for key in block}
        each: dict[str, JsonValue] = {key: _merged(inner) for key, inner in keys.items()}
        for number, inner in enumerate(values if isinstance(values, list) else []):
            yield from unseen_settings(inner, each, f"{at}.{number}", detected)
    elif isinstance(values, list):
        yield from unseen_settings(values, [expressions], at, detected)
    elif isinstance(values, dict) and isinstance(expressions, dict):
        for key in [key for key in values if key in expressions]:
            if _is_block(expressions[key]):
                yield from unseen_settings(values[key], expressions[key], f"{at}.{key}", detected)
            else:
                yield from _unseen(values, key, f"{at}.{key}", detected)
            yield from _unseen_absence(values, key, f"{at}.{key}", detected)


def _merged(each: list[JsonValue]) -> JsonValue:
    """What all blocks of a name have: an expression, or the blocks within."""
    if not _is_block(each[0]):
        return each[0]
    return [block for one in each for block in (one if isinstance(one, list) else [one])]


def _is_block(expression: JsonValue) -> bool:
    return isinstance(expression, list) or (
        isinstance(expression, dict) and not {"constant_value", "references"} & set(expression) and bool(expression)
    )


def unseen_references(value: JsonValue, at: str, detected: Detected) -> Iterator[str]:
    """Paths of the expressions of Terraform that may be without their references to other resources. Those to variables
    and locals are no order, and their values are in the plan."""
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from unseen_references(inner, f"{at}.{number}", detected)
    elif isinstance(value, dict):
        references = value.get("references")
        if isinstance(references, list) and any(str(one).startswith("aws_") for one in references):
            yield from _unseen_change(value, "references", [], at, detected)
        for key, inner in value.items():
            yield from unseen_references(inner, f"{at}.{key}", detected)


def unseen_dependencies(explicit: list[JsonValue], at: str, detected: Detected) -> Iterator[str]:
    """Paths of the explicit dependencies that may be missing."""
    for number, one in enumerate(list(explicit)):
        explicit.pop(number)
        if not detected():
            yield f"{at}.{one}"
        explicit.insert(number, one)


def expanded(value: JsonValue) -> JsonValue:
    """The same with each text that is a JSON document as that document, so that each of its values counts."""
    if isinstance(value, dict):
        return {key: expanded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [expanded(inner) for inner in value]
    if isinstance(value, str) and value.startswith("{"):
        with suppress(ValueError):
            return expanded(json.loads(value))
    return value
