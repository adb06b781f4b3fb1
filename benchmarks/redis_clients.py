"""Reads of Redis by the server's own link, by valkey-glide and by redis-py, in turns (decision 30).

    python3.11 -m venv /tmp/clients
    /tmp/clients/bin/pip install redis==5.3.1 hiredis==3.5.0 uvloop protobuf==5.29.6 pydantic-settings valkey-glide
    taskset -c 1 redis-server --port 6399 --save "" &
    taskset -c 0 /tmp/clients/bin/python -m benchmarks.redis_clients redis://127.0.0.1:6399

The environment is one of its own: Driftline does not need valkey-glide. One worker of the server has one core, so here
one core is for the client, with all its threads, and the other for Redis. Callers wait for their reply before they ask
again. `single` reads one key a call (the own link by MGET, as the server does, the others by GET), `gathered` the same
behind serving/loader.py with its pause, `MGET` 100 keys a call. redis-py opens a connection for each caller.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from statistics import median, quantiles
from urllib.parse import urlsplit

import redis
import redis.asyncio
import uvloop
from glide import GlideClient, GlideClientConfiguration, NodeAddress

from serving.loader import Loader
from serving.source import KEYS_MAX, open_source

KEYS = [f"driftline:bench:u{number}" for number in range(10_000)]
VALUE = b"v" * 405  # as large as what is stored of a user
BATCH = 100
TIMEOUT_S = 5.0
CONCURRENCIES = (1, 32, 256)
LOADS = ("single", "gathered", "MGET")
WARM_UP_S = 0.3

One = Callable[[str], Awaitable[bytes | None]]
Many = Callable[[Sequence[str]], Awaitable[list[bytes | None]]]
Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Turn:
    """What one contender did in one turn."""

    calls_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of this process a call
    redis_us: float  # of Redis's processor time a call


def calls_of(one: One, many: Many) -> dict[str, Call]:
    """What a caller does, by the name of the load."""
    loader = Loader(many, keys_max=KEYS_MAX)
    return {
        "single": lambda: one(random.choice(KEYS)),
        "gathered": lambda: loader.load(random.choice(KEYS)),
        "MGET": lambda: many(random.choices(KEYS, k=BATCH)),
    }


async def contenders(url: str) -> dict[str, dict[str, Call]]:
    """The calls of each client by load, connected when they are first made."""
    source = open_source(url, timeout_s=TIMEOUT_S)
    client = redis.asyncio.Redis.from_url(url, socket_timeout=TIMEOUT_S)
    where = urlsplit(url)
    address = NodeAddress(where.hostname or "127.0.0.1", where.port or 6379)
    glide = await GlideClient.create(GlideClientConfiguration([address], request_timeout=int(TIMEOUT_S * 1000)))

    async def one(key: str) -> bytes | None:
        return (await source.values([key]))[0]

    async def mget(keys: Sequence[str]) -> list[bytes | None]:
        return list(await glide.mget(list(keys)))

    return {
        "own link": calls_of(one, source.values),
        "valkey-glide": calls_of(glide.get, mget),
        "redis-py": calls_of(client.get, client.mget),
    }


async def turn(call: Call, concurrency: int, seconds: float, redis_cpu_s: Callable[[], float]) -> Turn:
    """Let so many callers call, each one call at a time."""
    took_s: list[float] = []
    redis_s, cpu_s, begin_s = redis_cpu_s(), time.process_time(), time.perf_counter()

    async def caller() -> None:
        while (asked_s := time.perf_counter()) < begin_s + seconds:
            if await call() is None:
                message = "the benchmark's keys are gone"
                raise LookupError(message)
            took_s.append(time.perf_counter() - asked_s)

    await asyncio.gather(*[caller() for _ in range(concurrency)])
    lasted_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - cpu_s
    cuts, calls = quantiles(took_s, n=100), len(took_s)
    redis_us = (redis_cpu_s() - redis_s) * 1e6 / calls
    return Turn(calls / lasted_s, cuts[49] * 1e3, cuts[98] * 1e3, cpu_s * 1e6 / calls, redis_us)


async def measure(url: str, rounds: int, seconds: float) -> None:
    """Print one row for each load, concurrency and client: medians over the rounds, in which the clients take turns."""
    with redis.Redis.from_url(url) as admin:

        def redis_cpu_s() -> float:
            cpu = admin.info("cpu")
            return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])

        admin.mset(dict.fromkeys(KEYS, VALUE))
        clients = await contenders(url)
        gc.collect()
        gc.freeze()  # as serving/server.py does
        print("| load | callers | client | calls/s | p50 ms | p99 ms | CPU us a call | of Redis |")
        print("|---|---|---|---|---|---|---|---|")
        for load, concurrency in [(load, callers) for load in LOADS for callers in CONCURRENCIES]:
            turns: dict[str, list[Turn]] = {name: [] for name in clients}
            for calls in clients.values():  # connects, and warms up
                await turn(calls[load], concurrency, WARM_UP_S, redis_cpu_s)
            for number in range(rounds):
                for name in sorted(clients, reverse=bool(number % 2)):
                    turns[name].append(await turn(clients[name][load], concurrency, seconds, redis_cpu_s))
            for name, seen in turns.items():
                row = [median(getattr(one, field.name) for one in seen) for field in fields(Turn)]
                figures = f"{row[0]:,.0f} | {row[1]:.2f} | {row[2]:.2f} | {row[3]:.0f} | {row[4]:.0f}"
                print(f"| {load} | {concurrency} | {name} | {figures} |", flush=True)
        admin.delete(*KEYS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("redis", help="redis://host:port of a Redis that nobody needs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(options.redis, options.rounds, options.seconds))


if __name__ == "__main__":
    main()
