"""Options of `monitor.labels`: where labels come from that arrive after their predictions."""

import re
from typing import Final, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from mlspec.spec.names import quoted
from mlspec.spec.spec_model import SpecModel

FORMATS: Final = ("csv", "tsv", "parquet", "jsonl", "ndjson")
_SOURCE: Final = re.compile(r"(?i)[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]\.(csv|tsv|parquet|jsonl|ndjson)")


class Labels(SpecModel):
    """Labels that `mlspec labels add` and `mlspec monitor` read; those that are stored already change nothing."""

    source: str = Field(
        "",
        description="Files with the labels: a path or glob relative to the project, or s3://BUCKET/KEY, where the key "
        f"may be a glob too; {', '.join(f'.{name}' for name in FORMATS)}",
        examples=["labels/*.csv", "s3://shop-labels/2026/*.parquet"],
    )
    query: str = Field(
        "",
        max_length=20_000,
        description="SQL of DuckDB whose result has the labels; the files of `source` are its table `labels`",
        examples=["SELECT order_id AS request_id, IF(returned, 'yes', 'no') AS label FROM labels"],
    )

    @field_validator("source")
    @classmethod
    def _has_a_format(cls, source: str) -> str:
        if source and not _SOURCE.fullmatch(source):
            what = f"files that end with {', '.join(f'.{name}' for name in FORMATS)}, not {quoted(source)}"
            raise PydanticCustomError(
                "bad-format", "expected {what}", {"what": what, "help": "for example `labels/*.csv`"}
            )
        return source

    @model_validator(mode="after")
    def _has_labels(self) -> Self:
        if not self.source and not self.query:
            what = "`source`, `query`, or both"
            raise PydanticCustomError(
                "bad-format", "expected {what}", {"what": what, "help": "for example source: labels/*.csv"}
            )
        return self
