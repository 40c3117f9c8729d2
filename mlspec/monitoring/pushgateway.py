"""Gauges to a Pushgateway, from which Prometheus reads them between two runs of `mlspec monitor`."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from typing import Final

from mlspec.errors import StageError
from mlspec.runtime.counters import CONTENT_TYPE

_SECONDS: Final = 10


def push(url: str, job: str, text: str, environment: str = "") -> None:
    """Replace the gauges of that job in that environment. Raises StageError if the Pushgateway does not take them."""
    parts = ("job", job, *(("environment", environment) if environment else ()))
    address = f"{url.rstrip('/')}/metrics/{'/'.join(urllib.parse.quote(part, safe='') for part in parts)}"
    request = urllib.request.Request(address, text.encode(), {"Content-Type": CONTENT_TYPE}, method="PUT")  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=_SECONDS).close()  # noqa: S310 - http or https, by the spec
    except urllib.error.HTTPError as error:
        reason = error.read(500).decode("utf-8", "replace").strip()
        message = f"the Pushgateway refused the gauges: {error.code} {reason}"
        raise StageError(message, help="check monitor.prometheus.pushgateway") from None
    except (OSError, ValueError) as error:
        message = f"the Pushgateway cannot be reached: {error}"
        raise StageError(message, help="check monitor.prometheus.pushgateway") from None
