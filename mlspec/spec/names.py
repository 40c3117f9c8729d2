"""Names and values in messages: the closest known name, and a value on one line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from mlspec.source.document import printable

_MOST = 20
_WIDE = 300
"""Limit of the names in a help line, in characters."""


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "o", "å": "a", "ł": "l"})
_SYNONYMS = {
    "auc": "auroc", "roc_auc": "auroc", "roc_auc_score": "auroc", "acc": "accuracy", "f1_score": "f1", "f1-score": "f1",
    "average_precision_score": "average_precision", "pr_auc": "average_precision", "logloss": "log_loss",
    "balanced_accuracy_score": "balanced_accuracy", "matthews": "mcc", "kappa": "cohen_kappa",
    "int": "number", "integer": "number", "float": "number", "double": "number", "numeric": "number",
    "numerical": "number", "continuous": "number", "regression": "number", "string": "text", "str": "text",
    "bool": "category", "boolean": "category", "categorical": "category", "factor": "category", "enum": "category",
    "classification": "class", "img": "image", "picture": "image", "min": "minimize", "max": "maximize",
    "half": "16-mixed", "cuda": "gpu", "grid_search": "grid", "random_search": "random", "bayesian": "bayes",
}  # fmt: skip
"""What other tools call a choice of the spec."""


def plain_name(text: str) -> str:
    """`text` as a name of lowercase ASCII letters and digits with single `-` between; `""` if none is left."""
    ascii_text = unicodedata.normalize("NFKD", text.lower().translate(_UMLAUTS)).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", ascii_text))[:63].rstrip("-")


def closest(word: str, choices: Iterable[str], least: float = 0.6) -> str | None:
    """The choice that is most similar to `word`, by `least` of 1 (difflib's ratio), or None."""
    import difflib

    options = list(choices)
    if (usual := _SYNONYMS.get(word.lower())) in options:
        return usual
    matches = difflib.get_close_matches(word.lower(), [c.lower() for c in options], n=1, cutoff=least)
    return next((c for c in options if c.lower() == matches[0]), None) if matches else None


def suggest(word: str, choices: Iterable[str], what: str = "available") -> str:
    """A help line: the closest choice, else the choices themselves, shortened if they are many."""
    options = list(choices)
    near = closest(word, options)
    if near is not None:
        return f"did you mean `{near}`?"
    if not options:
        return ""
    shown = [f"`{option}`" for option in sorted(options)[:_MOST]]
    while len(shown) > 1 and len(", ".join(shown)) > _WIDE:
        shown.pop()
    return f"{what}: " + ", ".join(shown) + (", ..." if len(options) > len(shown) else "")


def quoted(value: object) -> str:
    """A value as text in a message: short, and on one line."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f'"{printable(value if len(value) <= 40 else value[:37] + "...")}"'
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return str(value)[:40]


def suffixed(name: str, environment: str) -> str:
    """`name` with the environment as suffix, in characters that are valid in every resource name."""
    return f"{name}-{re.sub(r'[^a-z0-9_-]', '-', environment.lower())}"
