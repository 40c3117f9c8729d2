"""Literals that look like secrets: found in the text so that no message ever shows one.

The patterns are the published prefixes of the issuers (AWS, GitHub, GitLab, Slack, Google, Hugging Face, W&B, OpenAI,
Elastic, PEM keys, passwords and keys in URLs); under a key that names a secret any text counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlspec.source.document import Location, Node, walk

MASK = "*****"

_SHAPES = re.compile(
    r"""(?x)
      (?:AKIA|ASIA)[0-9A-Z]{16}
    | gh[pousr]_[A-Za-z0-9]{30,} | github_pat_[A-Za-z0-9_]{30,} | glpat-[A-Za-z0-9_-]{20,}
    | xox[abprs]-[A-Za-z0-9-]{10,} | AIza[0-9A-Za-z_-]{35} | hf_[A-Za-z0-9]{30,}
    | sk-[A-Za-z0-9_-]{20,} | wandb_v1_[A-Za-z0-9_]{20,}
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
    | (?<=://)[^/\s:@]+:[^/\s:@$]+(?=@)
    """
)
_QUERY = re.compile(
    r"(?i)(?<=[?&;])([\w-]*(api_?key|secret|access_?key|token|password|passwd|signature|credentials?)|sig)=(?!\$\{)[^&;#\s]+"
)
"""A key in the query of an address. Only a remote's: a token in `data.source` may be part of a public address."""
_NAMES = re.compile(
    r"(?i)(^|_)(api_?key|secret|secret_key|access_key|secret_access_key|token|password|passwd|credentials?)$"
)


def secrets(root: Node) -> Iterator[tuple[Location, Node, str]]:
    """Every literal below `root` that looks like a secret: where it is, its node, and the text to hide."""
    for location, node in walk(root):
        if not isinstance(node.value, str) or not node.value:
            continue
        shape = _SHAPES.search(node.value) or (_remote(location) and _QUERY.search(node.value))
        # Below `data` keys are names of columns, and a column may be called anything.
        named = location[:1] != ("data",) and location and _NAMES.search(str(location[-1]))
        if shape:
            yield location, node, shape.group()
        elif named and not node.value.startswith("${"):
            yield location, node, node.value


_CREDENTIALS = {"s3": "secret_access_key", "azure": "sas_token", "gs": "credentialpath"}
"""The option of DVC that holds a remote's secret, by the kind of address; `password` for any other."""


def remedy(location: Location, text: str) -> str:
    """How to do without the literal secret at `location`, of which `text` is the whole value."""
    revoke = "; and revoke this one if it was ever shared"
    scheme, separator, _ = text.partition("://")
    if _remote(location):
        option = _CREDENTIALS.get(scheme, "password")
        command = f"dvc remote modify --local mlspec {option} VALUE"
        return f"remove it from the address, build, and give it to DVC on this machine alone: {command}{revoke}"
    if separator:
        return f"remove it from the address; a callable as `data.source` can read it from the environment{revoke}"
    return f"name the environment variable that holds it: {{env: NAME}}{revoke}"


def _remote(location: Location) -> bool:
    """Whether it is `data.remote`, in the spec itself or in an environment, by nested or dotted keys."""
    return ".".join(str(step) for step in location[-2:]).endswith("data.remote")


def mask(lines: Sequence[str], roots: Sequence[Node]) -> tuple[tuple[str, ...], frozenset[str]]:
    """The lines with every secret hidden, and the hidden texts. Works on text that could not be parsed, too."""
    hidden = {text for root in roots for _, _, text in secrets(root)}
    hidden |= {match.group() for line in lines for match in _SHAPES.finditer(line)}
    return tuple(hide(line, hidden) for line in lines), frozenset(hidden)


def hide(text: str, hidden: Sequence[str] | frozenset[str] | set[str]) -> str:
    """`text` with each of `hidden` replaced. The stars take as many columns, so that a caret stays in its place."""
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, "*" * len(secret))
    return text
