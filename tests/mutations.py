"""Damaged specs: a valid one, with a few values taken away, swapped, or replaced by what nobody should write."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mlspec.starters import STARTERS, contents
from tests.conftest import CHECKOUT

Location = tuple[str | int, ...]

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    0.5,
    -0.0,
    10**18,
    -(10**30),
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "0",
    "-3",
    "no",
    "null",
    "é",
    "名前",
    "\u2028",
    "a\nb",
    "x" * 3000,
    "\\",
    "/",
    "..",
    "../up",
    "/etc/passwd",
    "~",
    ".",
    "*",
    "**/[",
    "s3://",
    "s3://b/*",
    "https://",
    "http://[",
    "https://h:x/y",
    "src.data:load",
    "a:b",
    ":",
    "${",
    "${}",
    "${.}",
    "${project}",
    "${project.name}",
    "${data}",
    "${train.max_epochs}",
    "x${data.inputs}y",
    "$${a}",
    "${model..type}",
    "{{",
    "{=",
    "%}",
    "`",
    "[",
    "[]",
    "(",
    "[0, 1",
    "1e-3",
    "> 0.5",
    ">= nan",
    "< 1e999",
    "9" * 5000 + "d",
    "9" * 400 + "GB",
    "\u0663d",
    "> 1e-320",
    "> " + "9" * 500,
    "${data.target.labels.\u00b2}",
    "__main__:X",
    "y" * 300 + ":C",
    "x." * 3000 + "y:C",
    "e\x1b[31m",
    "500MB",
    "0B",
    "99999999999GB",
    "30d",
    "0s",
    "99999999999999999999d",
    "* * * * *",
    "0 0 31 2 *",
    "*/0 * * * *",
    "text",
    "number",
    "class",
    "image",
    "category",
    "regex(",
    "(?P<a>.*)(?P<a>.)",
    "utf-8",
    "base64",
    "idna",
    "rot13",
    [],
    [None],
    [[]],
    ["a", "a"],
    [0, 1, 2],
    [1.5, "x"],
    [{}],
    {},
    {"": 1},
    {"a": None},
    {"env": "X"},
    {"env": ""},
    {"env": 1},
    {"type": "image"},
    {"type": []},
    {"type": {"type": 1}},
    {"class": None},
    {"class": "a.b:C"},
    {"min": 5, "max": 1},
    {"rows": {}},
    {"0": 0},
    {"a.b": {"c.d": 1}},
    {".": 1},
    {"train": None},
    {"train.": 1},
    {".train": {"x": 1}},
)
KEYS = (
    "",
    ".",
    "x",
    "env",
    "type",
    "class",
    "rows",
    "name",
    "é",
    "a b",
    "train.max_epochs",
    "model.",
    "null",
    "\u2028",
)


@cache
def bases() -> dict[str, str]:
    """The text of each valid spec, by name: those in `specs/`, and the starters'."""
    files = sorted((CHECKOUT / "specs").rglob("mlproject.yaml"))
    actual = {file.relative_to(CHECKOUT).as_posix(): file.read_text(encoding="utf-8") for file in files}
    return actual | {name: contents(name, "x")["mlproject.yaml"].decode() for name in STARTERS}


def loaded(name: str) -> dict[str, Any]:
    """A fresh copy of one of them as plain values."""
    return copy.deepcopy(_plain(name))


@cache
def _plain(name: str) -> Any:
    return YAML(typ="safe", pure=True).load(bases()[name])


def locations(value: Any, at: Location = ()) -> Iterator[Location]:
    """The way to every value below `value`."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in inside:
        yield (*at, step)
        yield from locations(below, (*at, step))


def damage(spec: dict[str, Any], dice: random.Random) -> None:
    """Change one thing, in place."""
    places = list(locations(spec))
    if not places:
        spec["project"] = dice.choice(VALUES)
        return
    at = dice.choice(places)
    holder = spec
    for step in at[:-1]:
        holder = holder[step]  # type: ignore[index]
    last: Any = at[-1]
    match dice.randrange(16):
        case 0:
            del holder[last]
        case 1:
            holder[last] = [holder[last]]
        case 2:
            holder[last] = {dice.choice(KEYS): holder[last]}
        case 3 if isinstance(holder, dict):
            holder[dice.choice(KEYS)] = dice.choice(VALUES)
        case 4:
            other = dice.choice(places)
            holder[last] = copy.deepcopy(_at(spec, other))
        case 5:
            holder[last] = "${" + ".".join(map(str, dice.choice(places))) + "}"
        case 6:
            patch = {".".join(map(str, at)): dice.choice(VALUES)}
            spec["experiments"] = {"odd": patch}
        case 7:
            patch = copy.deepcopy(dice.choice(VALUES))
            for step in reversed(at):
                patch = {str(step): patch}
            spec["environments"] = {"odd": patch}
        case _:
            # Mostly a value of the same kind: what gets past the models meets the parts' own checks.
            like = [v for v in VALUES if isinstance(v, type(holder[last]))] if dice.random() < 0.8 else []
            holder[last] = copy.deepcopy(dice.choice(like or VALUES))


def _at(spec: Any, at: Location) -> Any:
    for step in at:
        spec = spec[step]
    return spec


def place(name: str, folder: Path) -> None:
    """Put a starter's own modules, or those of a spec in `specs/`, beside the spec."""
    if name in STARTERS:
        files = {path: text for path, text in contents(name, "x").items() if path.endswith(".py")}
    else:
        root = (CHECKOUT / name).parent
        files = {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*.py")}
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text)
