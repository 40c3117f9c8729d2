"""ES|QL in DuckDB: no engine runs it outside of Elasticsearch, so its pipe is translated, stage by stage."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

BUCKET = "BUCKET(@timestamp, 50, ?_tstart, ?_tend)"
"""Half an hour, as of a day."""


def create(connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """A table of rows with the same columns. Values are numbers, except in times and in columns that have a text."""
    columns = list(rows[0])
    text = {"version", "label", "service.version", "prediction.label"}
    text |= {f"monitor.{name}" for name in ("column", "kind", "direction", "since", "metric", "label", "slice")}
    text |= {column for column in columns if any(isinstance(row[column], str) for row in rows)}
    arrays = {column: _array([row[column] for row in rows], column, text) for column in columns}
    connection.register(f"rows of {name}", pa.table(arrays))
    connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM "rows of {name}"')
    connection.unregister(f"rows of {name}")


def _array(values: Sequence[Any], column: str, text: Container[str]) -> pa.Array:
    if column == "@timestamp":
        times = [datetime.fromisoformat(value) if isinstance(value, str) else value for value in values]
        return pa.array(times, pa.timestamp("us", "UTC"))
    return pa.array(values, pa.string()) if column in text else pa.array(values, pa.float64())


def flat(documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row of paths for each document, all of them with the same paths."""
    rows = [dict(_paths(document)) for document in documents]
    empty = dict.fromkeys(path for row in rows for path in row)
    return [empty | row for row in rows]


def _paths(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}{name}.")
        else:
            yield above + name, value


def translated(text: str) -> str:
    """SQL of a pipe of ES|QL: each stage selects from the one before."""
    result = ""
    for stage in text.replace("==", "=").replace("`", '"').split(" | "):
        command, _, rest = stage.partition(" ")
        if command == "FROM":
            result = f"SELECT * FROM {rest}"
        elif command == "WHERE":
            result = result if "?_tstart" in rest else f"SELECT * FROM ({result}) WHERE {fields(rest)}"
        elif command == "EVAL":
            values = (f"{columns(fields(value))} AS {name}" for name, value in assignments(rest))
            result = f"SELECT *, {', '.join(values)} FROM ({result})"
        elif command == "STATS":
            result = f"SELECT {aggregated(rest)} FROM ({result})" + (" GROUP BY ALL" if " BY " in rest else "")
        elif command == "KEEP":
            result = f"SELECT {columns(rest)} FROM ({result})"
        elif command == "DISSECT":
            source, _, pattern = rest.partition(" ")
            names, delimiters = re.findall(r"%{(\w+)}", pattern), set(re.findall(r"}(.*?)%", pattern))
            (between,) = delimiters
            parts = (f"string_split({source}, '{between}')[{n}] AS {name}" for n, name in enumerate(names, 1))
            result = f"SELECT *, {', '.join(parts)} FROM ({result})"
        elif command == "SORT":
            result = f"SELECT * FROM ({result}) ORDER BY {columns(rest)}"
        elif command == "LIMIT":
            result += f" LIMIT {rest}"
        else:
            raise AssertionError(command)
    return result


def columns(text: str) -> str:
    """Names of columns, of which SQL has one as a word of its own."""
    return re.sub(r"\bcolumn\b", '"column"', text)


def aggregated(rest: str) -> str:
    values, _, groups = rest.partition(" BY ")
    result = [f"{fields(expr)} AS {columns(name)}" for name, expr in assignments(groups)]
    for name, expr in assignments(values):
        value, _, condition = expr.partition(" WHERE ")
        value = re.sub(r"PERCENTILE\((.*), (\d+)\)", r"quantile_disc(\1, 0.01 * \2)", value)
        result.append(fields(value) + (f" FILTER (WHERE {fields(condition)})" if condition else "") + f" AS {name}")
    return ", ".join(result)


def assignments(text: str) -> list[tuple[str, str]]:
    """`name = expression` at the top level of a list."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [(name.strip(), value.strip()) for name, _, value in (p.partition(" = ") for p in parts) if value]


def fields(text: str) -> str:
    """Paths of documents as quoted columns; constants and conversions as those of SQL."""
    text = re.sub(r'"([^"\w]*)"', r"'\1'", text).replace("TO_LONG(@timestamp)", "epoch_ms(@timestamp)")
    text = text.replace(BUCKET, "time_bucket(INTERVAL 30 MINUTES, @timestamp)")
    text = text.replace("TO_DATETIME(TO_LONG(millis))", "to_timestamp(CAST(millis AS BIGINT) / 1000)")
    text = re.sub(r"TO_DOUBLE\((\w+)\)", r"TRY_CAST(\1 AS DOUBLE)", text)
    text = re.sub(r"TO_STRING\(((?:[^()]|\([^()]*\))*)\)", r"CAST(\1 AS VARCHAR)", text)
    return re.sub(r"@timestamp|\b[a-z]+(?:\.[a-z_]+)+\b", lambda match: f'"{match[0]}"', text)
