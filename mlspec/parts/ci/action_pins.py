"""The actions that workflows use, each by the commit of a release: a tag can be moved, a commit cannot."""

from __future__ import annotations

from typing import Final

ACTIONS: Final = {
    "actions/attest": ("1e69f48acb82d1966a394da916b4c1698aa569d6", "v4.2.2"),
    "actions/cache": ("27d5ce7f107fe9357f9df03efb73ab90386fccae", "v5.0.5"),
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/dependency-review-action": ("2031cfc080254a8a887f58cffee85186f0e49e48", "v4.9.0"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/setup-python": ("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "aws-actions/configure-aws-credentials": ("e6de054238d6b7531b4efff3b6587d9aade6a06c", "v6.2.3"),
}
"""Action to commit and release (their repositories, November 2026)."""


def uses() -> dict[str, str]:
    """Short name to what stands behind `uses:`, with the release as its comment."""
    pinned = {name: f"@{commit} # {release}" for name, (commit, release) in ACTIONS.items()}
    names = {name.rpartition("/")[2].replace("-", "_"): f"{name}{pin}" for name, pin in pinned.items()}
    return names | {f"cache_{part}": f"actions/cache/{part}{pinned['actions/cache']}" for part in ("restore", "save")}
