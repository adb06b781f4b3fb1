"""What the reader tells whoever counts: one method a kind of news. The base class hears and does nothing."""

from __future__ import annotations

from enum import StrEnum

from serving.health import Health


class BreakerState(StrEnum):
    """The states of the circuit breaker around Redis."""

    CLOSED = "closed"  # every read goes to Redis
    OPEN = "open"  # no read does
    HALF_OPEN = "half_open"  # one read tries whether Redis is back


class Observer:
    """Called on the event loop, so it must not block; whatever it raises fails the read."""

    def read_ended(self, *, users: int, took_s: float, outage: bool) -> None:
        """A read of this many users ended: a gathered one of single calls, a batch, or a look at watched versions."""

    def breaker_changed(self, state: BreakerState) -> None:
        """The breaker around Redis is in another state."""

    def served_stale(self, *, users: int) -> None:
        """This many users were answered from memory."""

    def health_changed(self, health: Health) -> None:
        """Calls are answered in another way from now on."""

    def memory_seen(self, *, used_percent: int, evicted_keys: int) -> None:
        """The fullest Redis uses so much of its maxmemory, 0 without one; all have evicted so many keys."""
