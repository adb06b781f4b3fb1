"""Measuring a contender from its first to its last accounted event: rate, CPU time and memory."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import psutil
import redis

from console.settings import StackSettings
from driftline.units import MIB
from sink_connectors.score_store import Progress, RedisScoreStore

LOOK_S = 0.02
LOOK_AT_PROCESSES_S = 0.25
START_S_MAX = 120.0


@dataclass(frozen=True)
class Measured:
    """One run."""

    events: int  # accounted for within the time measured
    seconds: float
    cpu_s: float  # of the contender's own processes; not of Kafka and Redis
    memory_mib: float  # the most that they held resident at once
    finished: bool  # every event was accounted for within the limit

    @property
    def events_s(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_s_per_million(self) -> float:
        """CPU seconds a million events."""
        return self.cpu_s * 1e6 / self.events


@dataclass
class _Tree:
    """Processes and their descendants. CPU time of one that ended stays counted as far as it was seen."""

    roots: list[psutil.Process]

    def __post_init__(self) -> None:
        self._cpu_s: dict[int, float] = {}
        self.memory_mib = 0.0

    def look(self) -> float:
        """Return the CPU seconds so far."""
        resident = 0
        processes = list(self.roots)
        for root in self.roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                processes += root.children(recursive=True)
        for process in processes:
            try:
                times, resident = process.cpu_times(), resident + process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self._cpu_s[process.pid] = times.user + times.system
        self.memory_mib = max(self.memory_mib, resident / MIB)
        return sum(self._cpu_s.values())


def measure(
    settings: StackSettings,
    namespace: str,
    events: int,
    *,
    pids: Sequence[int],
    seconds_max: float,
    check: Callable[[], None],
) -> Measured:
    """Watch a namespace's totals until `events` are accounted for, or for `seconds_max` after the first.

    Args:
        settings: where Redis is.
        namespace: what the contender writes to.
        events: in the topic.
        pids: the contender's processes; their descendants count, too.
        seconds_max: when to stop looking.
        check: called every now and then; raises if the contender has failed.

    Raises:
        TimeoutError: nothing was accounted for within START_S_MAX.
        RuntimeError: the topic is too short to see anything.
    """
    tree = _Tree([psutil.Process(pid) for pid in pids])
    with closing(RedisScoreStore.connect(settings.redis_address, namespace=namespace, retry_s=5.0)) as store:

        def wait(until: Callable[[int], bool], seconds: float) -> tuple[int, float]:
            deadline_s, look_s = time.monotonic() + seconds, 0.0
            while not until(seen := Progress.total(store.read_progress().values()).events):
                now_s = time.monotonic()
                if now_s > deadline_s:
                    break
                if now_s >= look_s:
                    tree.look()
                    check()
                    look_s = now_s + LOOK_AT_PROCESSES_S
                time.sleep(LOOK_S)
            return seen, time.monotonic()

        first, began_s = wait(lambda seen: seen > 0, START_S_MAX)
        if not first:
            message = f"no event was accounted for within {START_S_MAX:g} s"
            raise TimeoutError(message)
        cpu_s = tree.look()
        last, ended_s = wait(lambda seen: seen >= events, seconds_max)
    if last == first:
        message = f"all of {events:,} events were accounted for at the first look: too few to measure"
        raise RuntimeError(message)
    return Measured(last - first, ended_s - began_s, tree.look() - cpu_s, tree.memory_mib, last >= events)


def clear_redis(settings: StackSettings) -> None:
    """Empty Redis and its file, so that a run does not pay for the one before."""
    with redis.Redis.from_url(settings.redis_address) as client:
        client.flushall()
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(LOOK_S)
