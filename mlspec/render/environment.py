"""The Jinja environment: strict, without autoescape, with delimiters that no generated format uses.

`{= x =}` prints, `{% %}` loops, `{## ##}` comments: `{{ }}` is syntax of GitHub, `[[ ]]` of bash and TOML, `${ }` of
shells, HCL and Hydra, `{#` of bash. Templates of the project replace mlspec's of the same name.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path

import jinja2

import mlspec
from mlspec.render.quoting import FILTERS


@functools.cache
def templates_folder() -> Path:
    """The folder of mlspec's templates: in the wheel, or beside the package in a checkout."""
    package = Path(mlspec.__file__).parent
    shipped = package / "_templates"
    return shipped if shipped.is_dir() else package.parent / "templates"


def environment(own: Mapping[str, str]) -> jinja2.Environment:
    """The environment in which `own` templates (text by path) replace mlspec's of the same name."""
    jinja = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.DictLoader(own), jinja2.FileSystemLoader(templates_folder())]),
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
        bytecode_cache=_compiled(),
    )
    jinja.filters.update(FILTERS)
    return jinja


def _compiled() -> jinja2.BytecodeCache | None:
    """A cache of compiled templates in the user's cache folder: compilation would be most of a build's time."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(home, "mlspec", f"templates-{mlspec.__version__}-jinja{jinja2.__version__}")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = folder.stat().st_uid == os.getuid()
    except OSError:
        return None
    return jinja2.FileSystemBytecodeCache(str(folder)) if own else None
