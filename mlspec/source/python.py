"""The user's Python source: names of a module, signatures of classes. Nothing is imported."""

from __future__ import annotations

import ast
from typing import NamedTuple


class CallSignature(NamedTuple):
    """The parameters of a class's `__init__`."""

    parameters: tuple[str, ...]
    required: tuple[str, ...]
    any_keyword: bool


def parsed(text: str) -> ast.Module | None:
    """The syntax tree of `text`, or None if it is not valid Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def unreadable(text: str) -> tuple[str, str] | None:
    """Why `text` is not valid Python, and the line with the error; None if it is valid."""
    try:
        ast.parse(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}", (error.text or "").strip()
    except (ValueError, RecursionError) as error:
        return str(error), ""
    return None


def constants(text: bytes) -> frozenset[str]:
    """All string literals of a module; empty if it is not valid Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    return frozenset(n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def class_names(text: str) -> frozenset[str]:
    """The classes that a module defines at its top level."""
    tree = parsed(text)
    return frozenset(node.name for node in tree.body if isinstance(node, ast.ClassDef)) if tree else frozenset()


def module_names(text: str) -> frozenset[str] | None:
    """Names that a module defines or imports; None if they are not known (star imports, `__getattr__`)."""
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
    """The class `name` at the top level of a module."""
    tree = parsed(text)
    return next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name), None) if tree else None


def methods(definition: ast.ClassDef) -> frozenset[str] | None:
    """The names that the body of a class defines; None if it may have others (a base class, a decorator)."""
    bases = [base for base in definition.bases if _last(base) != "object"]
    if bases or definition.keywords or definition.decorator_list:
        return None
    names: set[str] = set()
    for node in ast.walk(definition):
        match node:
            case ast.FunctionDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case _:
                pass
    return frozenset(names)


def signature(definition: ast.ClassDef, method: str = "__init__") -> CallSignature | None:
    """The signature of a method without `self`; None if the class has none of its own."""
    init = next((n for n in definition.body if isinstance(n, ast.FunctionDef) and n.name == method), None)
    if init is None:
        return None
    arguments = init.args
    positional = [a.arg for a in (*arguments.posonlyargs, *arguments.args)][1:]
    with_default = len(arguments.defaults)
    required = positional[: len(positional) - with_default] if with_default else positional
    keyword = [a.arg for a in arguments.kwonlyargs]
    required += [a for a, default in zip(keyword, arguments.kw_defaults, strict=True) if default is None]
    return CallSignature((*positional, *keyword), tuple(required), arguments.kwarg is not None)


def logged_names(definition: ast.ClassDef) -> frozenset[str] | None:
    """The names that a LightningModule passes to `self.log`, and the keys of its `self.log_dict`.

    None if they are not known: a name or a mapping is computed, or the class has other bases than LightningModule.
    """
    if [_last(base) for base in definition.bases] != ["LightningModule"]:
        return None
    names: set[str] = set()
    for node in ast.walk(definition):
        if not (isinstance(node, ast.Call) and _logs(node)):
            continue
        constant = _constants(node)
        if constant is None:
            return None
        names |= constant
    return frozenset(names)


def logged_in(definition: ast.ClassDef) -> dict[str, dict[str, int]]:
    """For each name that is logged as a literal, the methods that log it, each with the first line number."""
    names: dict[str, dict[str, int]] = {}
    for method in definition.body:
        if not isinstance(method, ast.FunctionDef):
            continue
        for node in ast.walk(method):
            if isinstance(node, ast.Call) and _logs(node):
                for name in _constants(node) or ():
                    lines = names.setdefault(name, {})
                    lines[method.name] = min(node.lineno, lines.get(method.name, node.lineno))
    return names


def _logs(node: ast.Call) -> bool:
    """Whether the call is `self.log` or `self.log_dict`."""
    function = node.func
    return (
        isinstance(function, ast.Attribute) and function.attr in ("log", "log_dict") and _last(function.value) == "self"
    )


def _constants(call: ast.Call) -> set[str] | None:
    """The names that one call of `log` or `log_dict` logs; None if they are computed."""
    keyword = next((k.value for k in call.keywords if k.arg in ("name", "dictionary")), None)
    first = call.args[0] if call.args else keyword
    keys = first.keys if isinstance(first, ast.Dict) else [first]
    names = {k.value for k in keys if isinstance(k, ast.Constant) and isinstance(k.value, str)}
    return names if len(keys) == len(names) else None


def _last(node: ast.expr) -> str:
    """The last name of `a.b.C`, or `""`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
