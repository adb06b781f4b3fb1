"""Bounds on what callers of the gateway may use: connections, bytes and time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_BYTES_MAX = 64 * 1024  # the ids of a watch are in its head


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one gateway."""

    connections_max: int = 1_000  # one more is closed at once
    watches_max: int = 100  # below the gRPC server's streams of one connection, of which calls need some
    head_s: float = 10.0  # from the first byte of a request, or the connection, to the end of its headers
    body_s: float = 10.0  # for a body to come
    send_s: float = 30.0  # for a watcher to take what is sent


def protocol(limits: Limits) -> type[H11Protocol]:
    """Uvicorn's protocol within these limits: it alone waits for a request as long as the caller likes."""

    class Bounded(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _refused = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            if len(self.connections) >= limits.connections_max:
                self._refused, self.transport = True, transport
                transport.close()
                return
            super().connection_made(transport)
            self._watch_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            if not self._refused:
                super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not self._refused:
                super().data_received(data)
                self._watch_head()

        def _watch_head(self) -> None:
            """Time the headers that are awaited; a caller that sends a byte now and then gets no more time for it."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_timer()
            elif self._timer is None:
                self._timer = self.loop.call_later(limits.head_s, self._too_slow)

        def _too_slow(self) -> None:
            self._timer = None
            self.transport.close()

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Bounded
