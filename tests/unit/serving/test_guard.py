from __future__ import annotations

import asyncio
import time

import pytest
import redis

from serving.guard import RedisGuard, StoreUnavailable
from serving.observer import BreakerState, Observer

RESET_S = 0.05


class Heard(Observer):
    def __init__(self) -> None:
        self.states: list[BreakerState] = []
        self.reads: list[tuple[int, bool]] = []

    def breaker_changed(self, state: BreakerState) -> None:
        self.states.append(state)

    def read_ended(self, *, users: int, took_s: float, outage: bool) -> None:
        assert took_s >= 0
        self.reads.append((users, outage))


async def fail() -> None:
    message = "unavailable"
    raise redis.ConnectionError(message)


async def bug() -> None:
    message = "ERR unknown command"
    raise redis.ResponseError(message)


async def answer() -> str:
    return "answer"


async def fails(guard: RedisGuard, times: int) -> None:
    for _ in range(times):
        with pytest.raises(StoreUnavailable):
            await guard.read(fail(), users=1)


async def reset(guard: RedisGuard) -> None:
    deadline = time.monotonic() + 5
    while guard.state is BreakerState.OPEN:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def test_opens_after_failures_in_a_row_and_closes_with_the_first_answer() -> None:
    async def run() -> None:
        heard = Heard()
        guard = RedisGuard(failures=3, reset_s=RESET_S, refused_s=60.0, observer=heard)
        await fails(guard, 2)
        assert await guard.read(answer(), users=1) == "answer"  # not in a row
        await fails(guard, 3)
        assert guard.state is BreakerState.OPEN
        with pytest.raises(StoreUnavailable, match="left alone"):
            await guard.read(answer(), users=1)
        await reset(guard)
        assert await guard.read(answer(), users=7) == "answer"
        assert heard.states == [BreakerState.OPEN, BreakerState.CLOSED]
        assert heard.reads == [(1, True)] * 2 + [(1, False)] + [(1, True)] * 3 + [(7, False)]

    asyncio.run(run())


def test_one_read_at_a_time_tries_again() -> None:
    async def run() -> None:
        guard = RedisGuard(failures=1, reset_s=RESET_S, refused_s=60.0, observer=Observer())
        await fails(guard, 1)
        await reset(guard)
        release = asyncio.Event()
        trying = asyncio.ensure_future(guard.read(release.wait(), users=1))
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="left alone"):
            await guard.read(answer(), users=1)
        release.set()
        await trying
        assert await guard.read(answer(), users=1) == "answer"

    asyncio.run(run())


def test_try_that_was_given_up_lets_another_one_try() -> None:
    async def run() -> None:
        guard = RedisGuard(failures=1, reset_s=RESET_S, refused_s=60.0, observer=Observer())
        await fails(guard, 1)
        await reset(guard)
        trying = asyncio.ensure_future(guard.read(asyncio.Event().wait(), users=1))
        await asyncio.sleep(0)
        trying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trying
        assert guard.state is BreakerState.HALF_OPEN  # neither an answer nor a failure
        assert await guard.read(answer(), users=1) == "answer"

    asyncio.run(run())


def test_bug_is_no_outage() -> None:
    async def run() -> None:
        guard = RedisGuard(failures=1, reset_s=RESET_S, refused_s=60.0, observer=Observer())
        with pytest.raises(redis.ResponseError, match="unknown command"):
            await guard.read(bug(), users=1)
        assert guard.state is BreakerState.CLOSED

    asyncio.run(run())
