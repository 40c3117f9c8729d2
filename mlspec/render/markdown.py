"""Text and tables as Markdown (GitHub's), whatever characters the text has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from mlspec.source.document import printable

_MARKUP = re.compile(r"([\\`*_\[\]<>|~#!$])")


def plain(text: str) -> str:
    """`text` in one line, without a meaning in Markdown or HTML; control characters are escaped."""
    line = " ".join(printable(text, "\n\t").split())
    escaped = _MARKUP.sub(r"\\\1", line).replace("&", "&amp;")
    return re.sub(r"^([-+=]|\d+[.)])(?=\s|$)", r"\\\1", escaped)


def code(text: str) -> str:
    """`text` as code in one line, in a table too."""
    line = " ".join(printable(text, "\n\t").split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> Iterator[str]:
    """The lines of a table and an empty one. Cells are Markdown; the last `numbers` columns are aligned right."""
    text = len(header) - numbers
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * text}{'---:|' * numbers}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
