"""Keeps calls from waiting for a Redis that is known to be away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

import circuitbreaker
import redis

from serving.observer import BreakerState, Observer
from sink_connectors.redis_errors import is_outage

T = TypeVar("T")


class StoreUnavailable(Exception):  # noqa: N818  (the field's word for it)
    """Redis does not answer, or has not for a while; the message says which."""


class RedisGuard:
    """A circuit breaker around reads. Used by one event loop.

    After `failures` reads in a row without an answer, reads fail at once. `reset_s` later one read at a time tries
    again, and the first that is answered lets all through.
    """

    def __init__(self, *, failures: int, reset_s: float, observer: Observer) -> None:
        self._breaker = circuitbreaker.CircuitBreaker(
            failure_threshold=failures, recovery_timeout=reset_s, expected_exception=_is_outage, name="redis"
        )
        self._observer = observer
        self._trying = False
        self._told = BreakerState.CLOSED

    @property
    def state(self) -> BreakerState:
        """As of now."""
        return BreakerState(self._breaker.state)

    async def read(self, call: Awaitable[T], *, users: int) -> T:
        """Await the read of this many users. Raises StoreUnavailable for an outage; any other error is a bug."""
        if self._breaker.closed:
            return await self._counted(call, users)
        if self._trying or self.state is BreakerState.OPEN:
            _discard(call)
            message = "left alone after failed reads"
            raise StoreUnavailable(message)
        self._trying = True
        try:
            return await self._counted(call, users)
        finally:
            self._trying = False
            self._tell()

    async def _counted(self, call: Awaitable[T], users: int) -> T:
        begin = time.perf_counter()
        outage = False
        try:
            result = await call
        except redis.RedisError as error:
            outage = is_outage(error)
            if not outage:
                raise
            self._record(error)
            raise StoreUnavailable(str(error)) from error
        else:
            if self._breaker.failure_count:
                self._breaker.reset()
                self._tell()
            return result
        finally:
            self._observer.read_ended(users=users, took_s=time.perf_counter() - begin, outage=outage)

    def _record(self, error: redis.RedisError) -> None:
        """Let the breaker count a failure. A read that its caller gave up counts neither way."""
        try:
            with self._breaker:
                raise error
        except redis.RedisError:
            pass
        self._tell()

    def _tell(self) -> None:
        if (state := self.state) is not self._told:
            self._told = state
            self._observer.breaker_changed(state)


def _is_outage(_: type[BaseException], error: BaseException) -> bool:
    return is_outage(error)


def _discard(call: Awaitable[object]) -> None:
    """A coroutine that is never awaited would warn."""
    if asyncio.iscoroutine(call):
        call.close()
