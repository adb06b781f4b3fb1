"""What it costs to look at users who are due: a listing by a block, and a look at a user. Without Flink.

    python -m benchmarks.quiet_checks [--waiting 60000] [--users 20000]

States are in a dictionary, so RocksDB's share comes on top: a read and a write a user who went quiet, of a row that is
cold by then; a write to Redis a user who is scored at an age is not in it, either.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from driftline.state.v1.state_pb2 import ShardState
from driftline.units import DAY_MS
from jobs.pipeline import bounds_of, processor_of
from jobs.settings import ScoreEventsSettings
from state_schemas.due import PAGE_USERS_MAX, DueQueue
from state_schemas.user_state import encode_user
from state_schemas.users import Timelines
from udfs.event import Event
from udfs.results import Due
from udfs.timeline import Timeline

T0_MS = 1_767_225_600_000
GAP_MS = 1_800_000
LISTED = 60  # users of a block that are listed, as at 10,000 events/s in 8 shards
BLOCKS = 200
EVENTS = 20  # of a user, one every five seconds: his last session
US = 1e6


class _Entries(dict):  # type: ignore[type-arg]
    """A map state in memory."""

    put = dict.__setitem__
    put_all = dict.update

    def remove(self, key: object) -> None:
        """Remove an entry."""
        self.pop(key, None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=60_000, help="users that are listed already")
    parser.add_argument("--users", type=int, default=20_000, help="users to look at")
    options = parser.parse_args()
    for waiting in (0, options.waiting):
        print(f"a block that lists {LISTED} users, {waiting:,} waiting: {US * listing_s(waiting):,.0f} us")
    looks = (
        ("went quiet", GAP_MS, False),
        ("was active since, kept decoded", GAP_MS, True),
        ("is scored at an age", DAY_MS, False),
    )
    for what, silence_ms, active in looks:
        look_us = US * look_s(options.users, silence_ms, active=active)
        print(f"a look at a user who {what}: {look_us:,.1f} us")


def listing_s(waiting: int) -> float:
    """Processor seconds of a block's listing."""
    queue = DueQueue(_Entries(), _Entries(), grid_ms=10_000, offset_ms=0, fine_ms=GAP_MS)
    queue.put(T0_MS, [Due(f"user-{n:012d}", T0_MS) for n in range(waiting)])
    listed = [Due(f"more-{n:012d}", T0_MS) for n in range(LISTED)]
    return _seconds(lambda: [queue.add(listed, T0_MS - GAP_MS) for _ in range(BLOCKS)]) / BLOCKS


def look_s(users: int, silence_ms: int, *, active: bool) -> float:
    """Processor seconds of a look at a user after a silence, taking and writing included."""
    settings = ScoreEventsSettings.load()
    bounds = bounds_of(settings)
    timeline = Timeline.begin(bounds)
    for number in range(EVENTS):
        timeline.offer(Event(T0_MS + number * 5_000, f"event-{number:020d}", 1, 1.0, "shoes"))
    timeline.last_arrival_ms, timeline.check_at_ms = T0_MS, T0_MS + silence_ms
    ids = [f"user-{n:012d}" for n in range(users)]
    kept = Timelines(_Entries(dict.fromkeys(ids, encode_user(timeline))), bounds, users, 2**40)
    processor = processor_of(settings, {})
    queue = DueQueue(_Entries(), _Entries(), grid_ms=10_000, offset_ms=0, fine_ms=GAP_MS)
    now_ms = T0_MS + EVENTS * 5_000 + silence_ms + 10_000
    for start in range(0, users, PAGE_USERS_MAX):
        part = {user_id: kept.get(user_id) for user_id in ids[start : start + PAGE_USERS_MAX]}
        if active:
            for timeline_read in part.values():
                timeline_read.last_arrival_ms = now_ms - 1_000  # type: ignore[union-attr]
        kept.put_all(part, cache=active)  # type: ignore[arg-type]
    shard = ShardState(generation=1)
    queue.put(now_ms, [Due(user_id, now_ms) for user_id in ids])

    def look() -> None:
        while queue.has_due(now_ms):
            at_ms, due = queue.take(now_ms)
            result = processor.check_due(due, shard, kept, now_ms)
            queue.put(at_ms, due[result.taken :])
            queue.add([Due(user, at) for at, listed in result.due.items() for user in listed], now_ms)
            kept.put_all(result.timelines, cache=False)

    return _seconds(look) / users


def _seconds(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


if __name__ == "__main__":
    main()
