"""Detection of literals that look like secrets, so that no message prints one.

The patterns are the published prefixes of the issuers (AWS, GitHub, GitLab, Slack, Google, Hugging Face, W&B, OpenAI,
Elastic), PEM keys, and passwords and keys in URLs. At a key whose name implies a secret any text counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlspec.diagnostics import Location
from mlspec.source.document import Node, walk

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
"""A secret in the query of a URL. Used for DVC remotes only: a token in `data.source` may be part of a public URL."""
_NAMES = re.compile(
    r"(?i)(^|_)(api_?key|secret|secret_key|access_key|secret_access_key|token|password|passwd|credentials?)$"
)

_REFERENCE = re.compile(r"\{\{resolve:(?:ssm|ssm-secure|secretsmanager):[^{}\s]+\}\}")
"""A reference of CloudFormation to a secret that it reads when it deploys: not the secret."""


def secrets(root: Node) -> Iterator[tuple[Location, Node, str]]:
    """Every literal below `root` that looks like a secret: its location, its node, and the text to hide."""
    for location, node in walk(root):
        if not isinstance(node.value, str) or not node.value:
            continue
        shape = _SHAPES.search(node.value) or (_remote(location) and _QUERY.search(node.value))
        # Keys below `data` are column names, which may be any word.
        named = location[:1] != ("data",) and location and _NAMES.search(str(location[-1]))
        if shape:
            yield location, node, shape.group()
        elif named and not node.value.startswith("${") and not _REFERENCE.fullmatch(node.value):
            yield location, node, node.value


_CREDENTIALS = {"s3": "secret_access_key", "azure": "sas_token", "gs": "credentialpath"}
"""DVC's option for the secret of a remote, by URL scheme; `password` for other schemes."""


def remedy(location: Location, text: str) -> str:
    """The help for a literal secret at `location`; `text` is the whole value."""
    revoke = "; revoke the secret if the file was ever shared"
    scheme, separator, _ = text.partition("://")
    if _remote(location):
        option = _CREDENTIALS.get(scheme, "password")
        command = f"dvc remote modify --local mlspec {option} VALUE"
        return (
            f"remove it from the URL, run `mlspec build`, and store it in DVC's local configuration: {command}{revoke}"
        )
    if separator:
        return f"remove it from the URL and read it from the environment in a callable `data.source`{revoke}"
    return f"set an environment variable to the secret and use its name: {{env: NAME}}{revoke}"


def _remote(location: Location) -> bool:
    """Whether the location is `data.remote`, in the spec or an environment, with nested or dotted keys."""
    return ".".join(str(step) for step in location[-2:]).endswith("data.remote")


def mask(lines: Sequence[str], roots: Sequence[Node]) -> tuple[tuple[str, ...], frozenset[str]]:
    """The lines with every secret masked, and the secrets. Also for text that cannot be parsed."""
    hidden = {text for root in roots for _, _, text in secrets(root)}
    hidden |= {match.group() for line in lines for match in _SHAPES.finditer(line)}
    return tuple(hide(line, hidden) for line in lines), frozenset(hidden)


def hide(text: str, hidden: Sequence[str] | frozenset[str] | set[str]) -> str:
    """`text` with each of `hidden` replaced by as many asterisks, so that the columns do not change."""
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, "*" * len(secret))
    return text
