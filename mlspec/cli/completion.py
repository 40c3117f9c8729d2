"""Completion of names that stand in the project: environments, stages, codes and keys.

A shell calls these on each press of the tab key, so an error completes nothing instead of being shown.
"""

from __future__ import annotations

from collections.abc import Iterable

import click

from mlspec.errors import MlspecError


def environments(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """The names under `environments` in the spec."""
    from mlspec.source.reader import read
    from mlspec.workspace.spec_file import find_spec

    try:
        node = read(find_spec(context.params.get("spec")).spec).root.child("environments")
    except MlspecError:
        return []
    return _matching(node.value if node is not None and isinstance(node.value, dict) else (), incomplete)


def stages(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """The stages of the project."""
    from mlspec.compiler import compile_project
    from mlspec.workspace.spec_file import find_spec
    from mlspec.workspace.template_cache import template_cache

    try:
        where = find_spec(context.params.get("spec"))
        plan = compile_project(where.spec, context.params.get("env"), compiled=template_cache()).plan
    except MlspecError:
        return []
    return _matching((stage.name for stage in plan.stages), incomplete)


def codes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """What `mlspec explain` explains: codes, and keys of the spec, one level at a time."""
    from mlspec.explain import explanations
    from mlspec.parts.all_parts import PARTS
    from mlspec.spec.json_schema import plain_schema
    from mlspec.spec.key_reference import keys

    level = incomplete.count(".") + 1
    dotted = dict.fromkeys(key.dotted for key in keys(plain_schema(PARTS)) if len(key.path) == level)
    return _matching((*explanations(), *dotted), incomplete)


def starters(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """The starters of `mlspec init`."""
    from mlspec.starters import STARTERS

    return _matching(STARTERS, incomplete)


def _matching(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
