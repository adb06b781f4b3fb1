"""Gathers reads of single keys into batches: keys asked for during one read, or within one turn of the loop, share one.

A key that finds the loader idle is read at the end of the turn. While a read runs, further keys gather for the next
one, so a busier server makes fewer reads per call. Redis answers sooner than gRPC brings the next few calls, so on a
busy server the loader waits PAUSE_S after a read of several keys: more keys gather, and there are other calls to answer
meanwhile. The server counts as busy once reads of at least BUSY_KEYS keys, at most BUSY_GAP_S apart, have gone on for
BUSY_S. A burst, as after a stall of the network, is over sooner; a pause would only delay its calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

BUSY_KEYS = 3
BUSY_GAP_S = 0.01
BUSY_S = 0.02
PAUSE_S = 0.002  # measured: see docs/performance.md

Read = Callable[[Sequence[str]], Awaitable[list[bytes | None]]]
_Callers = dict[str, list[asyncio.Future[bytes | None]]]


class Loader:
    """Used by one event loop. A caller may give up at any time without harm to the others."""

    def __init__(self, read: Read, *, keys_max: int) -> None:
        """Reads by `read`, with at most `keys_max` keys at a time."""
        self._read = read
        self._keys_max = keys_max
        self._waiting: _Callers = {}
        self._running: asyncio.Task[None] | None = None
        self._many_since_s = self._many_last_s = float("-inf")  # of the first and the last read of BUSY_KEYS or more

    def load(self, key: str) -> asyncio.Future[bytes | None]:
        """The value of `key`, as of some moment after this call; what `read` raises, every caller of that read gets.

        A failed read also fails the callers that wait for the next one: they ask the same Redis.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes | None] = loop.create_future()
        callers = self._waiting.get(key)
        if callers is not None:
            callers.append(future)
            return future
        self._waiting[key] = [future]
        if self._running is None:
            self._running = loop.create_task(self._run())  # which begins when this turn has ended
        return future

    def _next_batch(self) -> _Callers:
        """Takes out keys that someone still waits for."""
        batch: _Callers = {}
        while self._waiting and len(batch) < self._keys_max:
            key = next(iter(self._waiting))
            callers = self._waiting.pop(key)
            if not all(caller.done() for caller in callers):
                batch[key] = callers
        return batch

    async def _run(self) -> None:
        batch = self._next_batch()
        while batch:
            try:
                values = await self._read(list(batch))
            except Exception as error:  # the callers decide; each gets it
                self._fail(batch, error)
            else:
                for callers, value in zip(batch.values(), values, strict=True):
                    for caller in callers:
                        if not caller.done():
                            caller.set_result(value)
                if len(batch) >= BUSY_KEYS and self._is_busy(asyncio.get_running_loop().time()):
                    await asyncio.sleep(PAUSE_S)
            batch = self._next_batch()
        self._running = None

    def _is_busy(self, now_s: float) -> bool:
        """Whether reads of many keys, of which one ends now, have gone on for BUSY_S."""
        if now_s - self._many_last_s > BUSY_GAP_S:
            self._many_since_s = now_s
        self._many_last_s = now_s
        return now_s - self._many_since_s >= BUSY_S

    def _fail(self, batch: _Callers, error: Exception) -> None:
        waiting, self._waiting = self._waiting, {}
        for callers in [*batch.values(), *waiting.values()]:
            for caller in callers:
                if not caller.done():
                    caller.set_exception(error)
