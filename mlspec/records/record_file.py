"""What all records share: where the file lies, which stage writes it, reading and writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    JsonValue,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
)

from mlspec.errors import StageError
from mlspec.job import write_json

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is not a record."""


_JSON_OBJECT = TypeAdapter(dict[str, JsonValue])


def _finite(value: float) -> float:
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("a finite number is needed")
    return value


Finite = Annotated[float, AfterValidator(_finite)]
"""A number that JSON can hold."""
Measured = Finite | None
"""A metric; None where it is not defined on the rows."""


OPTIONAL: Final[dict[str, JsonValue]] = {"optional": True}
"""Marks a key that the file only has where there is something to say."""


class Value(BaseModel):
    """A part of a record. Keys that a newer mlspec added are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """The object as the file holds it, without OPTIONAL keys that have their default."""
        values: dict[str, object] = handler(self)
        fields = type(self).model_fields
        return {
            k: v
            for k, v in values.items()
            if k not in fields or fields[k].json_schema_extra is not OPTIONAL or getattr(self, k) != fields[k].default
        }

    def to_json(self) -> dict[str, JsonValue]:
        """The object as the file holds it."""
        values: dict[str, JsonValue] = self.model_dump(mode="json")
        return values

    @classmethod
    def parse(cls, value: object) -> Self | None:
        """The object in `value`, which comes from JSON; None where it has another shape."""
        try:
            return cls.model_validate(value)
        except ValueError:
            return None

    @classmethod
    def parse_json(cls, text: str) -> Self | None:
        """The object in a JSON text; None where it has another shape."""
        try:
            return cls.model_validate_json(text)
        except ValueError:
            return None


class Record(Value):
    """A JSON file in `artifacts/`."""

    FILE: ClassVar[str]
    """Its path below `artifacts/`."""
    STAGE: ClassVar[str]
    """The stage that writes it."""

    @classmethod
    def read(cls, artifacts: Path) -> Self:
        """The record in `artifacts`. Raises StageError where the file is missing or damaged."""
        help = f"mlspec apply --until {cls.STAGE}"
        try:
            return cls.model_validate_json(_bytes(artifacts / cls.FILE))
        except FileNotFoundError:
            raise StageError(f"artifacts/{cls.FILE} is missing", help=help) from None
        except (OSError, ValueError) as error:
            raise StageError(
                f"artifacts/{cls.FILE} is damaged: {_fault(error)}", help=f"{help} --force {cls.STAGE}"
            ) from None

    @classmethod
    def find(cls, artifacts: Path) -> Self | None:
        """The record in `artifacts`; None where the file is missing or damaged."""
        try:
            return cls.model_validate_json(_bytes(artifacts / cls.FILE))
        except (OSError, ValueError):
            return None

    def write(self, artifacts: Path) -> None:
        """Write the file, whole or not at all."""
        self.write_file(artifacts / self.FILE)

    def write_file(self, path: Path) -> None:
        """Write the record to `path`, whole or not at all: for a folder that is moved to `artifacts/` when complete."""
        write_json(path, self.to_json())


def json_object(values: object) -> dict[str, JsonValue]:
    """A mapping as a JSON object. Raises ValidationError where a value is not one of JSON, for example a set."""
    return _JSON_OBJECT.validate_python(values)


def compact_json(value: object) -> str:
    """JSON in one line without spaces, keys sorted: for digests and labels."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES // 2**20} MiB")
    return path.read_bytes()


def _fault(error: Exception) -> str:
    """The first fault of a file, with its key."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(str(step) for step in first["loc"])
        return f"{at}: {first['msg']}" if at else str(first["msg"])
    return str(error)
