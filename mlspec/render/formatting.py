"""Numbers formatted for reading. A missing value is a dash."""

from __future__ import annotations

import math

DASH = "–"


def number(value: float | None) -> str:
    """Four significant digits: `0.8421`, `12.35`, `1,234`, `1.2e-5`."""
    if value is None:
        return DASH
    size = abs(value)
    if value == int(value) and size < 1e15:
        return _minus(f"{int(value):,}")
    if size < 1e-3 or size >= 1e7:
        mantissa, _, exponent = f"{value:.2g}".partition("e")
        return _minus(f"{mantissa}e{int(exponent)}" if exponent else mantissa)
    if size >= 1000:
        return _minus(f"{value:,.0f}")
    digits = 4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1
    return _minus(f"{value:.{digits}f}")


def metric_value(value: float) -> str:
    """A metric: three decimals up to 1, as in `0.912`; other ones, such as a large error, as `number` writes them."""
    return f"{value:.3f}" if value == 0 or 1e-3 <= abs(value) <= 1 else number(value)


def metric_interval(value: float, low: float, high: float) -> str:
    """A metric with its interval: `0.912 (0.880 to 0.937)`."""
    return f"{metric_value(value)} ({metric_value(low)} to {metric_value(high)})"


def short(value: float) -> str:
    """A tick on an axis: no more digits than it needs."""
    size = abs(value)
    if size >= 1e12 or 0 < size < 1e-3:
        mantissa, _, exponent = f"{value:.2g}".partition("e")
        return _minus(f"{mantissa}e{int(exponent)}" if exponent else mantissa)
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            return _minus(f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}")
    return _minus(f"{value:.4g}")


def signed(value: float) -> str:
    """A difference, with its sign."""
    return ("+" if value >= 0 else "") + number(value)


def share(value: float | None) -> str:
    """A part of one as a percentage: `83.1%`; what is almost nothing or almost all does not round to it."""
    if value is None:
        return DASH
    if 0 < value < 0.001:
        return "<0.1%"
    if 0.999 < value < 1:
        return ">99.9%"
    return _minus(f"{100 * value:.1f}%".replace(".0%", "%"))


def rounded(value: float) -> str:
    """Three significant digits of a number that may be very large: `653`, `1,260,000`, `2.1e12`."""
    if not math.isfinite(value) or value >= 1e9:
        mantissa, _, exponent = f"{value:.2g}".partition("e+")
        return f"{mantissa}e{int(exponent)}" if exponent else mantissa
    digits = max(len(f"{value:.0f}") - 3, 0)
    return f"{round(value, -digits):,.0f}"


def count(value: float) -> str:
    """A whole number with its thousands apart."""
    return f"{int(value):,}"


def seconds(value: float) -> str:
    """A stretch of time: `0.8 s`, `42 s`, `3 min 20 s`, `1 h 4 min`."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(value: float) -> str:
    """Bytes: `812 B`, `4.2 MB`."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{int(value)} B"


def plural(number: int, word: str) -> str:
    """`1 row`, `2 rows`."""
    many = word[:-1] + "ies" if word.endswith("y") else word + ("es" if word.endswith("s") else "s")
    return f"{number:,} {word if number == 1 else many}"


def bound(text: str) -> str:
    """A bound as it is read: `≥ 0.9`."""
    return text.replace(">=", "≥").replace("<=", "≤").replace("==", "=")


def _minus(text: str) -> str:
    return text.replace("-", "−", 1) if text.startswith("-") else text
