"""What the reader reports to metrics: one method for each kind of news. The base class ignores all of it."""

from __future__ import annotations

from enum import StrEnum

from serving.health import Health


class BreakerState(StrEnum):
    """The states of the circuit breaker around Redis."""

    CLOSED = "closed"  # every read goes to Redis
    OPEN = "open"  # no read does
    HALF_OPEN = "half_open"  # one read tries whether Redis is back


class Observer:
    """Called on the event loop, so it must not block; what it raises fails the read."""

    def read_ended(self, *, users: int, took_s: float, outage: bool) -> None:
        """A read of this many users ended: a gathered one of single calls, a batch, or a look at watched versions."""

    def breaker_changed(self, state: BreakerState) -> None:
        """The state of the breaker around Redis has changed."""

    def served_stale(self, *, users: int) -> None:
        """This many users were answered from memory."""

    def health_changed(self, health: Health) -> None:
        """How calls are answered has changed."""

    def memory_seen(self, *, used_percent: int, evicted_keys: int) -> None:
        """How much of its maxmemory the fullest Redis uses (0 without a limit), and how many keys all have evicted."""
