"""The tags of everything that mlspec creates in an account, in the two forms that AWS's services take. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

PROJECT: Final = "mlspec:project"
"""The tag with the name of the project that owns a resource."""
SOURCE: Final = "mlspec:source"
"""The tag with the address of the project's folder in its repository: it distinguishes projects of one name."""


def tags(project: str, source: str = "") -> dict[str, str]:
    """Tags of a project's resources; `source` is left out where the project has no address."""
    own = {PROJECT: project, "mlspec:managed-by": "mlspec"}
    return {**own, SOURCE: source} if source else own


def to_pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as a list of keys and values, the form of Amazon ECR and IAM."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def from_pairs(pairs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The tags in such a list."""
    return {pair["Key"]: pair["Value"] for pair in pairs}
