"""Whether a topic is processed, from offsets and what shards say of theirs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.accounting import Account, Extent
from sink_connectors.score_store import Progress, ShardReport
from udfs.offsets import advance
from udfs.shards import shard_of

SHARDS = 4
KEYS = [f"user-{number}".encode() for number in range(6)]


@dataclass(frozen=True)
class World:
    """One partition: what each offset holds (a key, or nothing for what is no record), and how far a job is."""

    offsets: list[bytes | None]
    read: dict[int, int]  # by shard: how many of its records it has processed
    begin: int  # what is older was deleted

    @property
    def records(self) -> list[tuple[int, bytes]]:
        return [(offset, key) for offset, key in enumerate(self.offsets) if key is not None]

    def of_shard(self, shard: int) -> list[int]:
        return [offset for offset, key in self.records if shard_of(key, SHARDS) == shard]

    @property
    def processed(self) -> set[int]:
        return {offset for shard, count in self.read.items() for offset in self.of_shard(shard)[:count]}

    @property
    def left(self) -> list[int]:
        return [offset for offset, _ in self.records if offset >= self.begin and offset not in self.processed]

    def account(self) -> Account:
        reports = {}
        for shard, count in self.read.items():
            offsets = self.of_shard(shard)[:count]
            if offsets:
                packed = advance(b"", [0] * len(offsets), offsets)
                reports[shard] = ShardReport(Progress(len(offsets)), SHARDS, packed)
        account = Account.of({0: Extent(self.begin, len(self.offsets))}, reports, {})
        assert account is not None
        return account


@st.composite
def worlds(draw: st.DrawFn, *, deleted: bool) -> World:
    offsets = draw(st.lists(st.none() | st.sampled_from(KEYS), max_size=25))
    shards = {shard_of(key, SHARDS) for key in KEYS}
    world = World(offsets, {}, 0)
    read = {shard: draw(st.integers(0, len(world.of_shard(shard)))) for shard in sorted(shards)}
    world = World(offsets, read, 0)
    # Deleted is at most what every record below has been processed of.
    kept_from = min(world.left, default=len(offsets))
    return World(offsets, read, draw(st.integers(0, kept_from)) if deleted else 0)


def found_open(world: World, account: Account) -> list[int]:
    """What a reader of the records from `open_from` on finds unprocessed."""
    one = account.partitions[0]
    return [
        offset
        for offset, key in world.records
        if max(one.open_from, world.begin) <= offset and not account.is_processed(0, offset, key)
    ]


@given(worlds(deleted=False))
def test_reading_finds_exactly_what_is_left(world: World) -> None:
    account = world.account()
    assert found_open(world, account) == world.left
    assert account.totals.events == len(world.processed)
    assert account.partitions[0].lost is None


@given(worlds(deleted=True))
def test_what_was_deleted_behind_the_job_changes_nothing(world: World) -> None:
    account = world.account()
    assert found_open(world, account) == world.left


@given(worlds(deleted=False))
def test_counts_alone_never_say_done_too_early(world: World) -> None:
    if not world.account().partitions[0].unaccounted:
        assert not world.left


@given(worlds(deleted=True))
def test_counts_alone_say_done_where_every_offset_is_an_event(world: World) -> None:
    dense = World([key or KEYS[0] for key in world.offsets], {}, 0)
    read = {shard_of(key, SHARDS): len(dense.of_shard(shard_of(key, SHARDS))) for key in KEYS}
    account = World(dense.offsets, read, world.begin).account()
    assert account.partitions[0].unaccounted == 0


@given(worlds(deleted=False), st.integers(0, 30))
def test_offsets_deleted_before_they_were_read_are_lost(world: World, begin: int) -> None:
    begin = min(begin, len(world.offsets))
    lost = World(world.offsets, world.read, begin).account().partitions[0].lost
    furthest = max(world.processed, default=-1) + 1
    assert lost == ((furthest, begin) if world.processed and begin > furthest else None)


def test_what_a_submission_skipped_is_lost_no_longer() -> None:
    reports = {shard_of(KEYS[0], SHARDS): ShardReport(Progress(10), SHARDS, advance(b"", [0] * 10, range(10)))}
    extents = {0: Extent(15, 20)}
    before = Account.of(extents, reports, {})
    after = Account.of(extents, reports, {0: [(10, 15)]})
    assert before
    assert after
    assert (before.partitions[0].lost, after.partitions[0].lost) == ((10, 15), None)
    assert after.partitions[0].skipped == 5
    later = Account.of({0: Extent(18, 20)}, reports, {0: [(10, 15)]})  # deleted once more, before the job began
    assert later
    assert later.partitions[0].lost == (15, 18)


def test_reports_of_older_code_give_no_account() -> None:
    shard = shard_of(KEYS[0], SHARDS)
    other = shard_of(KEYS[1], SHARDS)
    assert other != shard
    old, new = ShardReport(Progress(10)), ShardReport(Progress(12), SHARDS, advance(b"", [0, 0], [40, 41]))
    assert Account.of({0: Extent(0, 42)}, {shard: old, other: new}, {}) is None
    account = Account.of({0: Extent(0, 42)}, {shard: new}, {})  # ten of the twelve came before offsets were kept
    assert account
    assert account.partitions[0].start == 40
    assert account.partitions[0].unaccounted == 0
    assert Account.of({0: Extent(0, 42), 1: Extent(0, 3)}, {shard: new}, {}) is None  # who knows of partition 1?


@pytest.mark.parametrize("extents", [{}, {0: Extent(0, 0)}, {0: Extent(7, 7)}])
def test_nothing_published_is_nothing_left(extents: dict[int, Extent]) -> None:
    account = Account.of(extents, {}, {})
    assert account
    assert sum(one.unaccounted for one in account.partitions.values()) == 0
