"""The Jinja environment: strict, without escaping magic, with delimiters that collide with no generated format.

`{= x =}` prints, `{% %}` loops, `{## ##}` comments: `{{ }}` belongs to GitHub, `[[ ]]` to bash and TOML, `${ }` to
shells, HCL and Hydra, `{#` to bash. A project's own `templates/` come first, mlspec's after.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import jinja2
import jinja2.bccache

import mlspec
from mlspec.render.quoting import FILTERS


@functools.cache
def templates_folder() -> Path:
    """Where mlspec's own templates lie: inside the wheel, or beside the package in a checkout."""
    package = Path(mlspec.__file__).parent
    shipped = package / "_templates"
    return shipped if shipped.is_dir() else package.parent / "templates"


def environment(own: Mapping[str, str], compiled: jinja2.BytecodeCache | None = None) -> jinja2.Environment:
    """The environment in which `own` templates (text by path) replace those of the same name.

    `compiled` keeps compiled templates, which are most of a build's work, for other processes.
    """
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.DictLoader(own), jinja2.FileSystemLoader(templates_folder())]),
        variable_start_string="{=",
        variable_end_string="=}",
        comment_start_string="{##",
        comment_end_string="##}",
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - no markup is made here; every value goes through a quoting filter
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        bytecode_cache=compiled or _MEMORY,
    )
    made.filters.update(FILTERS)
    return made


class _MemoryCache(jinja2.BytecodeCache):
    """Templates that this process has compiled."""

    def __init__(self) -> None:
        self._codes: dict[str, bytes] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        """Fill the bucket; jinja2 compares the checksum of the template."""
        if (code := self._codes.get(bucket.key)) is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        """Keep the bucket's code."""
        self._codes[bucket.key] = bucket.bytecode_to_string()


_MEMORY = _MemoryCache()
