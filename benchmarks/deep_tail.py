"""What the disorder bound costs the core: CPU an event and bytes a user, in order and with events that come late.

    python -m benchmarks.deep_tail [--users 4000] [--events 400000] [--late-share 0.05] [--late-by-h 24]

Users have a hundred events within two weeks. Each bound folds the same history twice: in order, and with a share of the
events arriving late by a time that the bound allows, a day where it is longer. No Kafka, Redis, RocksDB or model takes
part; states are bytes in a dict, and no more users are cached than an operator does. Figures of one run can be compared
with each other, because the kinds take turns.
"""

from __future__ import annotations

import argparse
import random
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean, median, quantiles

from benchmarks.workbench import machine
from console.simulator import SimulationSpec, simulate, user_event
from driftline.event.v1.event_pb2 import UserEvent
from driftline.metrics import JobMetric
from driftline.state.v1.state_pb2 import ShardState
from driftline.units import DAY_MS, HOUR_MS, MINUTE_MS
from jobs.pipeline import processor_of
from jobs.settings import ScoreEventsSettings
from state_schemas.users import Timelines
from udfs.block import Block

SHARDS, BLOCK_EVENTS, NOW_MS = 8, 500, 1_900_000_000_000
BOUNDS_MS = (MINUTE_MS, HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS)


class States(dict[str, bytes]):
    """Keyed state in a dict."""

    def put_all(self, states: dict[str, bytes]) -> None:
        """Replace the users' states."""
        self.update(states)


@dataclass
class Measured:
    """One fold of the history.

    Attributes:
        cpu_us: an event.
        state_bytes: of each user at the end.
        late: events that were late.
    """

    cpu_us: float
    state_bytes: list[int]
    late: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=4_000)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--late-share", type=float, default=0.05)
    parser.add_argument("--late-by-h", type=float, default=24)
    options = parser.parse_args()
    spec = SimulationSpec(users=options.users, events=options.events, seed=5)
    history = [user_event(event) for event in simulate(spec)]
    print(f"machine: {machine()}\n{len(history):,} events of {options.users:,} users; us of CPU an event, bytes a user")
    for bound_ms in BOUNDS_MS:
        late_by_ms = min(int(options.late_by_h * HOUR_MS), bound_ms)
        in_order = fold(history, bound_ms)
        late = fold(arrivals(history, options.late_share, late_by_ms), bound_ms)
        sizes = in_order.state_bytes
        print(
            f"bound {bound_ms / HOUR_MS:7,.2f} h: in order {in_order.cpu_us:5.2f}, {options.late_share:.0%} late by "
            f"{late_by_ms / HOUR_MS:5.2f} h {late.cpu_us:5.2f} ({in_order.cpu_us / late.cpu_us:.2f} of the rate, "
            f"{late.late:,} too late); state mean {mean(sizes):,.0f}, median {median(sizes):,.0f}, "
            f"p99 {quantiles(sizes, n=100)[98]:,.0f}",
            flush=True,
        )


def arrivals(history: list[UserEvent], share: float, by_ms: int) -> list[UserEvent]:
    """The history in the order of arrival, where a share of the events arrives late."""
    rng = random.Random(7)
    delayed = [event.event_time_ms + (by_ms if rng.random() < share else 0) for event in history]
    return [history[at] for at in sorted(range(len(history)), key=delayed.__getitem__)]


def fold(history: list[UserEvent], bound_ms: int) -> Measured:
    """Fold a history as an operator does, block by block."""
    settings: ScoreEventsSettings = ScoreEventsSettings.load(
        disorder_ms=bound_ms, dedupe_horizon_ms=max(bound_ms, DAY_MS)
    )
    processor, states = processor_of(settings, {}), States()
    users = Timelines(states, processor.bounds, settings.users_kept_max // 8, settings.users_kept_bytes_max)
    shards = [ShardState(generation=1) for _ in range(SHARDS)]
    late = 0
    began_s = time.process_time()
    for at, block in blocks(history):
        result = processor.process(block, shards[at], users, NOW_MS)
        users.put_all(result.timelines)
        late += result.counts.get(JobMetric.EVENTS_LATE, 0)
    cpu_us = (time.process_time() - began_s) / len(history) * 1e6
    return Measured(cpu_us, [len(state) for state in states.values()], late)


def blocks(history: list[UserEvent]) -> Iterator[tuple[int, Block]]:
    """Blocks of the shards, each with the number of its shard."""
    waiting: list[list[tuple[bytes, bytes, int, int, int]]] = [[] for _ in range(SHARDS)]
    newest_ms = 0
    for number, event in enumerate(history):
        key = event.user_id.encode()
        at = zlib.crc32(key) % SHARDS
        newest_ms = max(newest_ms, event.event_time_ms)  # records are stamped when they arrive
        waiting[at].append((key, event.SerializeToString(), 0, number, newest_ms))
        if len(waiting[at]) == BLOCK_EVENTS or number >= len(history) - SHARDS:
            yield at, Block(*[list(column) for column in zip(*waiting[at], strict=True)])
            waiting[at] = []


if __name__ == "__main__":
    main()
