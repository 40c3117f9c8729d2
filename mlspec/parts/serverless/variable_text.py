"""Free text for a serverless.yml, in which the Serverless Framework replaces `${…}`. Pure."""

from __future__ import annotations

import re
from typing import Final

from pydantic import JsonValue

_START: Final = re.compile(r"(?<=\$)(?=\{)")


def without_variables(text: str) -> JsonValue:
    """The text; with `${` in it as CloudFormation's Fn::Join of parts that have none.

    The escape of osls (`\\${`) is not one of every release of the framework.
    """
    parts = _START.split(text)
    return text if len(parts) == 1 else {"Fn::Join": ["", [*parts]]}
