"""What the server accepts: sizes, numbers and times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server bears. Times are in seconds."""

    body: int = 8_388_608
    """Bytes of a request's body."""
    memory: int = 268_435_456
    """Bytes of bodies that are on their way in, all together."""
    connections: int = 4096
    """Open at once; more are turned away."""
    rows: int = 2048
    """Rows that wait for the model; requests beyond them are turned away."""
    wait: float = 10.0
    """How long the queue before a request may take."""
    idle: float = 75.0
    """Silence between two requests: longer than that of load balancers, which must not meet a closed connection."""
    reading: float = 30.0
    """From a request's first byte to its last."""
    writing: float = 30.0
    """A caller that reads nothing of its answer."""
    parting: float = 2.0
    """From the last answer to the end of the connection, where the caller does not end it."""
    grace: float = 20.0
    """What requests under way get when the server stops."""
    lull: float = 0.3
    """How long a stopping server waits for requests that are already on the wire of open connections."""
