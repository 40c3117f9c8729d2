"""A value to Hydra's override grammar, so that Hydra reads the same value back. Pure.

https://hydra.cc/docs/1.3/advanced/override_grammar/basic/#quoted-values
"""

from __future__ import annotations

import json
import re


class Written(str):
    """Text already in Hydra's grammar."""

    __slots__ = ()


def written(value: object) -> str:
    """The right side of an override. Text is quoted: `on`, `1e5` and `a,b` stay text, `${` stays literal."""
    if isinstance(value, Written):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + "\\${", str(value))
    # Backslashes are special only before a quote, the closing one included.
    text = re.sub(r"(\\*)'", lambda m: m[1] * 2 + "\\'", text)
    text = re.sub(r"\\+$", lambda m: m[0] * 2, text)
    return f"'{text}'"
