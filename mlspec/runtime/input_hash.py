"""The hash of a value in the prediction log. The key, which is public, keeps the hashes of projects apart."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

VALUE_BYTES: Final = 8
"""Bytes of the hash of a value."""


def project_key(project: str) -> bytes:
    """The key of the hashes of a project."""
    return project.encode()[:64]


def input_hash(content: bytes, size: int, key: bytes) -> str:
    """The hash of `size` bytes, in hexadecimal digits."""
    return blake2b(content, digest_size=size, key=key).hexdigest()
