"""x"""

from typing import Any


def page(contract: Any) -> str:
    return ""
