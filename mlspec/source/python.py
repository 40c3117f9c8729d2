"""The user's Python, read as text: which names a module has, and how a class is called. Nothing is imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signature:
    """How a class is called: parameters of its `__init__`, or None where it inherits one."""

    parameters: tuple[str, ...]
    required: tuple[str, ...]
    any_keyword: bool


def parsed(text: str) -> ast.Module | None:
    """The syntax tree of `text`, or None where it is not Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def module_names(text: str) -> frozenset[str] | None:
    """Names that a module defines or imports; None where that cannot be told (star imports, `__getattr__`)."""
    tree = parsed(text)
    if tree is None:
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.alias(name=name, asname=alias):
                names.add(alias or name.partition(".")[0])
            case _:
                pass
    return None if {"*", "__getattr__"} & names else frozenset(names)


def find_class(text: str, name: str) -> ast.ClassDef | None:
    """The class of that name at the top of a module."""
    tree = parsed(text)
    return next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name), None) if tree else None


def signature(definition: ast.ClassDef) -> Signature | None:
    """How the class is called; None where its `__init__` is inherited or decorated away (dataclasses)."""
    init = next((n for n in definition.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if init is None:
        return None
    arguments = init.args
    positional = [a.arg for a in (*arguments.posonlyargs, *arguments.args)][1:]
    with_default = len(arguments.defaults)
    required = positional[: len(positional) - with_default] if with_default else positional
    keyword = [a.arg for a in arguments.kwonlyargs]
    required += [a for a, default in zip(keyword, arguments.kw_defaults, strict=True) if default is None]
    return Signature((*positional, *keyword), tuple(required), arguments.kwarg is not None)


def logged_names(definition: ast.ClassDef) -> frozenset[str]:
    """The constant names that a LightningModule passes to `self.log`, and the keys of `self.log_dict` literals."""
    names: set[str] = set()
    for node in ast.walk(definition):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        first = node.args[0]
        if node.func.attr == "log" and isinstance(first, ast.Constant) and isinstance(first.value, str):
            names.add(first.value)
        elif node.func.attr == "log_dict" and isinstance(first, ast.Dict):
            names.update(k.value for k in first.keys if isinstance(k, ast.Constant) and isinstance(k.value, str))
    return frozenset(names)
