"""What callers of a server see while its Redis is frozen, then killed: every call is timed, at a steady rate."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from benchmarks.serving_contenders import RedisProcess
from benchmarks.serving_users import user_id
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub

PROBE_EVERY_S = 0.02
DEADLINE_S = 0.5
SLACK_S = 0.1  # a client's own timer and scheduling, on two busy cores
AFTER_S = 5.0  # watched after Redis has come back
KILLED_S = 3.0


@dataclass(frozen=True)
class Call:
    """One call of the prober; times are of the monotonic clock."""

    sent_s: float
    ended_s: float
    code: str


@dataclass(frozen=True)
class Outage:
    """What the prober saw of one outage."""

    kind: str
    away_s: float
    codes: dict[str, int]  # of calls sent while Redis was unavailable
    p50_ms: float  # of the same calls
    longest_ms: float  # of all calls
    first_good_s: float  # from Redis' return to the first good answer; infinite if there was none

    @property
    def hung(self) -> bool:
        """Whether a call took longer than its deadline."""
        return self.longest_ms > (DEADLINE_S + SLACK_S) * 1_000


def outages(address: str, store: RedisProcess, frozen_s: float) -> list[Outage]:
    """Freeze Redis for `frozen_s`, then kill and start it again."""
    store.save()
    return asyncio.run(_outages(address, store, frozen_s))


async def _outages(address: str, store: RedisProcess, frozen_s: float) -> list[Outage]:
    calls: list[Call] = []
    async with grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        prober = asyncio.create_task(_probe(ScoreServiceStub(channel), calls))
        await asyncio.sleep(2)
        os.kill(store.process.pid, signal.SIGSTOP)
        began_s = time.monotonic()
        await asyncio.sleep(frozen_s)
        os.kill(store.process.pid, signal.SIGCONT)
        back_s = time.monotonic()
        await asyncio.sleep(AFTER_S)
        store.kill()
        killed_s = time.monotonic()
        await asyncio.sleep(KILLED_S)
        await asyncio.to_thread(store.start)
        restarted_s = time.monotonic()
        await asyncio.sleep(AFTER_S)
        prober.cancel()
        await asyncio.gather(prober, return_exceptions=True)
    return [_seen("stopped", calls, began_s, back_s), _seen("killed", calls, killed_s, restarted_s)]


async def _probe(stub: ScoreServiceStub, calls: list[Call]) -> None:
    """Send a call every PROBE_EVERY_S, whether or not the one before has been answered."""
    running: set[asyncio.Task[None]] = set()
    began_s, count = time.monotonic(), 0
    try:
        while True:
            count += 1
            await asyncio.sleep(max(0.0, began_s + count * PROBE_EVERY_S - time.monotonic()))
            task = asyncio.create_task(_call(stub, user_id(count % 1_000), calls))
            running.add(task)
            task.add_done_callback(running.discard)
    finally:
        await asyncio.gather(*running)


async def _call(stub: ScoreServiceStub, user: str, calls: list[Call]) -> None:
    sent_s, code = time.monotonic(), "OK"
    try:
        await stub.GetScores(pb.GetScoresRequest(user_id=user), timeout=DEADLINE_S)
    except grpc.aio.AioRpcError as error:
        code = error.code().name
    calls.append(Call(sent_s, time.monotonic(), code))


def _seen(kind: str, calls: Sequence[Call], away_s: float, back_s: float) -> Outage:
    during = [call for call in calls if away_s <= call.sent_s < back_s]
    around = [call for call in calls if away_s <= call.ended_s < back_s + AFTER_S]
    took_ms = sorted((call.ended_s - call.sent_s) * 1_000 for call in during)
    good = [call.ended_s - back_s for call in around if call.code == "OK" and call.ended_s >= back_s]
    return Outage(
        kind=kind,
        away_s=back_s - away_s,
        codes=dict(Counter(call.code for call in during)),
        p50_ms=took_ms[len(took_ms) // 2],
        longest_ms=max((call.ended_s - call.sent_s) * 1_000 for call in around),
        first_good_s=min(good, default=float("inf")),
    )
