"""The project's folder in a workflow: which names GitHub supports, and how they are written in its two kinds of globs.

A folder's name comes from outside the spec: it is refused or escaped as values of the spec are. Pure.
"""

from __future__ import annotations

import re

_FILTER = re.compile(r"[\\*?+\[\]!]")
_ACTION = re.compile(r"[*?\[]")


def fault(prefix: str) -> str:
    """Why no workflow can name that folder, as a sentence part; empty when one can."""
    unprintable = next((c for c in prefix if not c.isprintable()), None)
    if unprintable is not None:
        return f"contains the character U+{ord(unprintable):04X}"
    if "${{" in prefix:
        return "contains `${{`, which GitHub evaluates as an expression"
    if "\\" in prefix:
        return "contains a backslash"
    if prefix != prefix.strip() or prefix.startswith("~"):
        return "starts or ends with a space, or starts with `~`"
    return ""


def filter_glob(path: str) -> str:
    """`path` as a pattern of `on.push.paths` that matches only itself.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet
    """
    return _FILTER.sub(lambda match: "\\" + match[0], path)


def action_glob(path: str) -> str:
    """`path` as a pattern of GitHub's own actions that matches only itself.

    A line that starts with `!` excludes, one that starts with `#` is a comment
    (https://github.com/actions/toolkit/tree/main/packages/glob).
    """
    escaped = _ACTION.sub(lambda match: f"[{match[0]}]", path)
    return f"./{escaped}" if escaped.startswith(("!", "#")) else escaped
