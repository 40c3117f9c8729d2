"""The Jinja environment: strict, without autoescape, with delimiters that no generated format uses.

`{= x =}` prints, `{% %}` loops, `{## ##}` comments: `{{ }}` is syntax of GitHub, `[[ ]]` of bash and TOML, `${ }` of
shells, HCL and Hydra, `{#` of bash. Templates of the project replace mlspec's of the same name.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import jinja2
import jinja2.bccache

import mlspec
from mlspec.render.cloudformation_yaml import cloudformation_yaml
from mlspec.render.commented_yaml import commented
from mlspec.render.quoting import FILTERS


@functools.cache
def templates_folder() -> Path:
    """The folder of mlspec's templates: in the wheel, or beside the package in a checkout."""
    package = Path(mlspec.__file__).parent
    shipped = package / "_templates"
    return shipped if shipped.is_dir() else package.parent / "templates"


def environment(own: Mapping[str, str], compiled: jinja2.BytecodeCache | None = None) -> jinja2.Environment:
    """The environment in which `own` templates (text by path) replace mlspec's of the same name.

    `compiled` keeps compiled templates, which are most of a build's work, for other processes. Without `own` templates
    it is the same environment each time, with the templates that it has loaded.
    """
    return _environment(jinja2.DictLoader(own), compiled) if own else _shared_environment(compiled)


@functools.lru_cache(maxsize=4)
def _shared_environment(compiled: jinja2.BytecodeCache | None) -> jinja2.Environment:
    return _environment(jinja2.DictLoader({}), compiled)


def _environment(own: jinja2.BaseLoader, compiled: jinja2.BytecodeCache | None) -> jinja2.Environment:
    jinja = jinja2.Environment(
        loader=jinja2.ChoiceLoader([own, jinja2.FileSystemLoader(templates_folder())]),
        variable_start_string="{=",
        variable_end_string="=}",
        comment_start_string="{##",
        comment_end_string="##}",
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - every value goes through a quoting filter
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        bytecode_cache=compiled or _MEMORY,
    )
    jinja.filters.update(FILTERS, cloudformation=cloudformation_yaml, commented=commented)
    return jinja


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
