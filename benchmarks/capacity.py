"""What hardware a load needs, from the measured costs of a unit of work; the table of docs/capacity.md.

    python -m benchmarks.capacity [--events-s 100000 1000000 10000000] [--users 100000000] [--write]

Every constant is a figure of docs/performance.md, measured on one kind of machine. Measure your own with `make
bench-freshness` and `make bench-scaling`, and put it here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from benchmarks.topic_runs import put_between
from benchmarks.workbench import ROOT
from udfs.shards import KEY_GROUPS

DOCUMENT = ROOT / "docs" / "capacity.md"
BEGIN, END = "<!-- capacity: written by python -m benchmarks.capacity --write -->", "<!-- capacity: end -->"
GB, MB = 1e9, 1e6
SHARDS = tuple(1 << n for n in range(KEY_GROUPS.bit_length()))  # that a job can have


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a unit of work costs. An event here is the only one of its user in its block: live traffic, the dear case.

    Attributes:
        event_s: the operator's thread, an event, waiting for Redis included.
        block_s: the same, a block, however few events are in it.
        jvm_block_s: the other threads of the TaskManager, a block.
        kafka_s: the broker, an event in and its scores out.
        kafka_block_s: the same, for the requests that a block leads to.
        redis_write_s: the thread of Redis, a user's write.
        redis_user_bytes: of memory, all told.
        state_user_bytes: of RocksDB's files, compressed.
        upload_bytes: of a checkpoint, a user whose state has changed since the last one.
        event_bytes: an event in Kafka.
        scores_bytes: the changelog record that it leads to.
        busy_max: share of a thread that may be planned with; the rest is for bursts and for catching up.
    """

    event_s: float = 105e-6
    block_s: float = 500e-6
    jvm_block_s: float = 1e-3
    kafka_s: float = 15e-6
    kafka_block_s: float = 2e-3
    redis_write_s: float = 14e-6
    redis_user_bytes: float = 560.0
    state_user_bytes: float = 250.0
    upload_bytes: float = 600.0
    event_bytes: float = 70.0
    scores_bytes: float = 240.0
    busy_max: float = 0.6


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a load needs.

    Attributes:
        cells: independent copies of topic, job and Redis, each with its part of the users.
        shards: of each cell's job, a power of two.
        slots: of each cell's job, one a TaskManager; also its least number of partitions.
        cores: of all cells' TaskManagers, Kafka brokers and Redis primaries together, at `busy_max`.
        redis_gb: of all primaries together.
        state_gb: of RocksDB, a slot.
        checkpoint_mb_s: uploaded by all cells together, at least.
        kafka_mb_s: written to all cells' topics together, before replication.
        core_hours: for a billion events.
    """

    events_s: float
    users: float
    cells: int
    shards: int
    slots: int
    cores: float
    redis_gb: float
    state_gb: float
    checkpoint_mb_s: float
    kafka_mb_s: float
    core_hours: float


def plan(events_s: float, users: float, costs: Costs, *, block_ms: float = 50.0, checkpoint_s: float = 10.0) -> Plan:
    """Size a deployment. One Redis primary takes a cell's writes, and a shard is never on two slots."""
    cell_events_s = min(costs.busy_max / costs.redis_write_s, _rate_of_shards(KEY_GROUPS, costs, block_ms))
    cells = ceil(events_s / cell_events_s)
    each_s = events_s / cells
    shards = next(n for n in SHARDS if _rate_of_shards(n, costs, block_ms) >= each_s)
    # Fewer slots than shards where the shards of a slot leave it idle.
    busy = _thread_share(each_s, shards, costs, block_ms)
    slots = next(n for n in SHARDS if busy / n <= costs.busy_max)
    blocks_s = _blocks(each_s, shards, block_ms) * cells
    busy_cores = busy * cells + blocks_s * (costs.jvm_block_s + costs.kafka_block_s)
    busy_cores += events_s * (costs.kafka_s + costs.redis_write_s)
    touched = min(users, events_s * checkpoint_s)
    return Plan(
        events_s=events_s,
        users=users,
        cells=cells,
        shards=shards,
        slots=slots,
        cores=busy_cores / costs.busy_max,
        redis_gb=users * costs.redis_user_bytes / GB,
        state_gb=users * costs.state_user_bytes / (cells * slots) / GB,
        checkpoint_mb_s=touched * costs.upload_bytes / checkpoint_s / MB,
        kafka_mb_s=events_s * (costs.event_bytes + costs.scores_bytes) / MB,
        core_hours=busy_cores / costs.busy_max / events_s * 1e9 / 3_600,
    )


def _thread_share(events_s: float, shards: float, costs: Costs, block_ms: float) -> float:
    """How busy one thread would be with these events in the blocks of these shards."""
    return events_s * costs.event_s + _blocks(events_s, shards, block_ms) * costs.block_s


def _blocks(events_s: float, shards: float, block_ms: float) -> float:
    return min(shards * 1_000 / block_ms, events_s)


def _rate_of_shards(shards: int, costs: Costs, block_ms: float) -> float:
    """Events a second where every shard has a slot of its own."""
    return shards * (costs.busy_max - 1_000 / block_ms * costs.block_s) / costs.event_s


def markdown(plans: Iterable[Plan]) -> str:
    """A row a load."""
    head = (
        "events/s | users | cells | shards and slots a cell | cores | Redis | RocksDB a slot | "
        "checkpoints upload | Kafka takes | core-hours a billion events"
    )
    rows = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    rows += [
        f"| {plan.events_s:,.0f} | {plan.users:,.0f} | {plan.cells} | {plan.shards}, {plan.slots} | "
        f"{plan.cores:,.0f} | {plan.redis_gb:,.1f} GB | {plan.state_gb:,.1f} GB | {plan.checkpoint_mb_s:,.0f} MB/s | "
        f"{plan.kafka_mb_s:,.0f} MB/s | {plan.core_hours:,.0f} |"
        for plan in plans
    ]
    return "\n".join(rows)


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events-s", type=float, nargs="+", default=[1e4, 1e5, 1e6, 1e7])
    parser.add_argument("--users", type=float, default=1e8)
    parser.add_argument("--write", action="store_true", help="into docs/")
    options = parser.parse_args()
    table = markdown(plan(events_s, options.users, Costs()) for events_s in options.events_s)
    print(table)
    if options.write:
        DOCUMENT.write_text(put_between(DOCUMENT.read_text(), BEGIN, END, table))


if __name__ == "__main__":
    main()
