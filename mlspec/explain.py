"""Explanations of the diagnostic codes: one Markdown file each, in `mlspec/explanations/` or in a part's own folder."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def explanations() -> dict[str, Path]:
    """Every code with the file that explains it, in alphabetical order."""
    files = [*_PACKAGE.glob("explanations/*.md"), *_PACKAGE.glob("parts/*/explain/*.md")]
    return {file.stem: file for file in sorted(files, key=lambda f: f.stem)}
