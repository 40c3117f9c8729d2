"""The Jinja environment of the pages: all markup is in templates, which escape by themselves."""

from __future__ import annotations

import functools
from datetime import datetime

import jinja2

from mlspec.render import formatting
from mlspec.render.environment import templates_folder
from mlspec.workspace.template_cache import template_cache

FILTERS = ("number", "share", "count", "seconds", "size", "plural")


@functools.cache
def page_environment() -> jinja2.Environment:
    """One for all pages of a process. Compiled templates are most of the work of a page: the user's cache has them."""
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_folder()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=template_cache(),
    )
    for name in FILTERS:
        jinja.filters[name] = getattr(formatting, name)
    jinja.filters.update(answer=_answer, moment=moment)
    return jinja


def _answer(value: object) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def moment(time: datetime) -> str:
    """A time to the minute."""
    return time.strftime("%Y-%m-%d %H:%M")
