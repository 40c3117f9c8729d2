"""What the text of `data.source` names: a path or glob, a URL to fetch, or a function of the project."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from mlspec.spec.file_names import MAX_STEM
from mlspec.spec.types import schema_pattern, usable

WILDCARDS = "*?["
_IMPORT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def is_remote(source: str) -> bool:
    """Whether the stage `fetch` downloads it; plain http only from this machine itself, for tests and tunnels."""
    try:
        parts = urlsplit(source)
        host = parts.hostname
    except ValueError:
        return False
    return (parts.scheme in ("https", "s3") and bool(host)) or (parts.scheme == "http" and host in _LOOPBACK)


def is_local_service(source: str) -> bool:
    """Whether it is fetched from this machine, without a network."""
    return is_remote(source) and urlsplit(source).hostname in _LOOPBACK


def is_callable(source: str) -> bool:
    """Whether it is an import path, `module:function`."""
    return _IMPORT.fullmatch(source) is not None


def many(source: str) -> bool:
    """Whether an s3:// URL names several objects: all below a prefix, or those that match a wildcard."""
    return source.startswith("s3://") and (source.endswith("/") or has_wildcard(source))


def has_wildcard(path: str) -> bool:
    """Whether a path is a glob."""
    return any(c in path for c in WILDCARDS)


def folder(path: str) -> str:
    """The folder above the first wildcard of a glob; any other path unchanged."""
    if not has_wildcard(path):
        return path
    steps = path.split("/")
    return "/".join(steps[: next(i for i, step in enumerate(steps) if has_wildcard(step))]) or "."


def file_name(address: str) -> str:
    """The local name of a fetched file or folder."""
    path = folder(address) if address.startswith("s3://") else address.split("?")[0]
    name = re.sub(r"[^\w.-]", "_", path.rstrip("/").rsplit("/", 1)[-1])
    return name.lstrip(".") or "data"


def _checked(text: str) -> str:
    if is_remote(text):
        return _remote(text)
    if is_callable(text):
        return usable(text)
    if "://" in text:
        raise _fault("a data source is a path, an https:// or s3:// URL, or a callable", "for example `data/raw.csv`")
    return _path(text)


def _remote(text: str) -> str:
    parts = urlsplit(text)
    if parts.path.strip("/") == "" and not (parts.scheme == "s3" and many(text)):
        raise _fault("the URL has no file name", "for example `https://example.org/raw.csv`")
    if not text.isprintable() or " " in text:
        raise _fault("a URL cannot contain spaces or control characters", "write a space as %20")
    if not text.startswith("s3://") and (text.endswith("/") or "*" in text):
        raise _fault("an https:// URL must name one file", "for several files use s3://bucket/folder/ or a callable")
    if (size := len(file_name(text).encode())) > MAX_STEM:
        raise _fault(
            f"the local file name would have {size} bytes, the limit is {MAX_STEM}", "download it in a callable"
        )
    return text


def _path(text: str) -> str:
    if text.startswith(("/", "~")) or ".." in text.split("/") or re.match(r"[A-Za-z]:\\", text):
        raise PydanticCustomError(
            "path-outside-project",
            "{path} is outside the project folder",
            {"path": f"`{text}`", "help": "use a path relative to the folder of mlproject.yaml, without `..`"},
        )
    if not text.strip() or "\\" in text or not text.isprintable():
        raise _fault("a path uses `/` and contains no control characters", "for example `data/raw.csv`")
    if folder(text).strip("./") == "":
        # The whole project would be an input, with what the stages write: no stage would ever be up to date.
        raise _fault("data files must be in a subfolder of the project", "for example `data/*.csv`")
    return usable(text)


def _fault(message: str, help: str) -> PydanticCustomError:
    return PydanticCustomError("bad-format", "{what}", {"what": message, "help": help})


Source = Annotated[
    str,
    AfterValidator(_checked),
    schema_pattern(r"(?:https?|s3)://\S+|(?![/~]|[A-Za-z]:\\)(?!(?:.*/)?\.\.(?:/|$))(?!.*://)[^\\]*[^\\\s][^\\]*"),
]
"""A path or glob in the project, an https:// or s3:// URL, or a callable `module:function`."""
