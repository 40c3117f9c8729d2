"""Limits of the server: sizes, counts and timeouts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the server. Times are in seconds."""

    body: int = 8_388_608
    """Maximum size of a request body, in bytes."""
    memory: int = 268_435_456
    """Maximum total size of all bodies being received, in bytes."""
    connections: int = 4096
    """Maximum number of open connections; more are refused."""
    rows: int = 2048
    """Maximum number of queued rows; requests beyond it are refused."""
    wait: float = 10.0
    """Maximum estimated queueing time of a request."""
    idle: float = 75.0
    """Keep-alive timeout: longer than that of load balancers, which must not use a closed connection."""
    reading: float = 30.0
    """Maximum time from the first to the last byte of a request."""
    writing: float = 30.0
    """Maximum time in which a client reads nothing of its response."""
    parting: float = 2.0
    """Maximum time from the last response to closing the connection, if the client does not close it."""
    grace: float = 20.0
    """Time for active requests to complete when the server stops."""
    lull: float = 0.3
    """Time in which a stopping server still accepts requests that are already in transit."""
