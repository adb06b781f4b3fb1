"""Keeps calls from waiting for a Redis that is known to be unavailable."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import circuitbreaker
import redis

from serving.logs import log_event
from serving.observer import BreakerState, Observer
from sink_connectors.redis_errors import is_outage

T = TypeVar("T")

log = logging.getLogger(__name__)


class StoreUnavailable(Exception):  # noqa: N818  (the field's word for it)
    """Redis does not answer, or has not for a while; the message says which."""


class RedisGuard:
    """A circuit breaker around reads. Used by one event loop.

    After `failures` reads in a row without an answer, reads fail at once. `reset_s` later one read at a time tries
    again, and the first that is answered lets all through. A Redis that refuses our login is left alone for `refused_s`
    from the first refusal on.
    """

    def __init__(
        self,
        *,
        failures: int,
        reset_s: float,
        refused_s: float,
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._breaker = circuitbreaker.CircuitBreaker(
            failure_threshold=failures, recovery_timeout=reset_s, expected_exception=_is_outage, name="redis"
        )
        self._observer = observer
        self._refused_s = refused_s
        self._clock = clock
        self._refused_until_s: float | None = None
        self._trying = False
        self._reported = BreakerState.CLOSED

    @property
    def state(self) -> BreakerState:
        """As of now."""
        if self._refused_until_s is not None:
            return BreakerState.OPEN if self._clock() < self._refused_until_s else BreakerState.HALF_OPEN
        return BreakerState(self._breaker.state)

    async def read(self, call: Awaitable[T], *, users: int) -> T:
        """Await the read of this many users. Raises StoreUnavailable for an outage; any other error is a bug."""
        if self._refused_until_s is None and self._breaker.closed:
            return await self._counted(call, users)
        if self._trying or self.state is BreakerState.OPEN:
            _discard(call)
            message = f"left alone after {'failed reads' if self._refused_until_s is None else 'a refused login'}"
            raise StoreUnavailable(message)
        self._trying = True
        try:
            return await self._counted(call, users)
        finally:
            self._trying = False
            self._report_state()

    async def _counted(self, call: Awaitable[T], users: int) -> T:
        begin = time.perf_counter()
        outage = False
        try:
            result = await call
        except redis.RedisError as error:
            outage = is_outage(error)
            if not outage:
                raise
            if not isinstance(error, redis.exceptions.AuthorizationError):  # of these keys alone: a caller named them
                self._record(error)
            raise StoreUnavailable(str(error)) from error
        else:
            if self._breaker.failure_count or self._refused_until_s is not None:
                self._recovered()
            return result
        finally:
            self._observer.read_ended(users=users, took_s=time.perf_counter() - begin, outage=outage)

    def _recovered(self) -> None:
        if self._refused_until_s is not None:
            self._refused_until_s = None
            log_event(log, "redis login accepted")
        self._breaker.reset()
        self._report_state()

    def _record(self, error: redis.RedisError) -> None:
        """Let the breaker count a failure. A read that its caller cancelled is neither a failure nor a success."""
        if isinstance(error, redis.AuthenticationError):
            self._refused(error)
        else:
            self._refused_until_s = None
            try:
                with self._breaker:
                    raise error
            except redis.RedisError:
                pass
        self._report_state()

    def _refused(self, error: redis.RedisError) -> None:
        if self._refused_until_s is None:
            next_move = "set user and password in DRIFTLINE_SERVE_REDIS_URL to what Redis knows"
            log_event(log, "redis login refused", level=logging.ERROR, reason=str(error), next_move=next_move)
        self._refused_until_s = self._clock() + self._refused_s

    def _report_state(self) -> None:
        if (state := self.state) is not self._reported:
            self._reported = state
            self._observer.breaker_changed(state)


def _is_outage(_: type[BaseException], error: BaseException) -> bool:
    return is_outage(error)


def _discard(call: Awaitable[object]) -> None:
    """A coroutine that is never awaited would warn."""
    if asyncio.iscoroutine(call):
        call.close()
