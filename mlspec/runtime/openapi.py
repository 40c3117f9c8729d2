"""x"""

from typing import Any


def document(contract: Any) -> Any:
    return {}
