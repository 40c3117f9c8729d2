"""`NAME.dvc`: the pointer by which DVC tracks a file or folder. Pure."""

from __future__ import annotations

from mlspec.dvc.yaml_values import mapping, parse_yaml


def tracked_digest(text: str) -> str | None:
    """The digest of what the pointer tracks; None where it has no digest."""
    outs = mapping(parse_yaml(text)).get("outs")
    digest = mapping(outs[0]).get("md5") if isinstance(outs, list) and outs else None
    return None if digest is None else str(digest)
