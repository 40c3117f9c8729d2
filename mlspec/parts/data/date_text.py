"""How dates are written."""

from __future__ import annotations

DATE = (
    r"^(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}\.\d{1,2}\.\d{4}|\d{1,2}/\d{1,2}/\d{2,4}|(19|20)\d\d(0[1-9]|1[0-2])[0-3]\d"
    r"|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4}|[A-Z][a-z]{2,8} \d{1,2},? \d{4})([ T]|$)"
)
"""A pattern of dates and timestamps."""
