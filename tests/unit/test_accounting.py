"""Whether a topic is processed, from offsets and what shards say of theirs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.accounting import Account, Extent, Part
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


def replayed(world: World, start: int, until: int, lake_until: int = 0) -> Account:
    """The account of a replay that reads the world from `start` to `until`, and has processed as much as it."""
    reports = {}
    for shard, count in world.read.items():
        within = [offset for offset in world.of_shard(shard) if start <= offset < until][:count]
        if within:
            reports[shard] = ShardReport(Progress(len(within)), SHARDS, advance(b"", [0] * len(within), within))
    extents = {0: Extent(min(world.begin, until), until)}
    account = Account.of(extents, reports, {}, {0: Part(start, until, lake_until)})
    assert account is not None
    return account


@given(worlds(deleted=False), st.integers(0, 25), st.integers(0, 25))
def test_a_replay_is_done_when_what_it_was_asked_for_is(world: World, start: int, length: int) -> None:
    start = min(start, len(world.offsets))
    until = min(start + length, len(world.offsets))
    account = replayed(world, start, until)
    part = account.partitions[0]
    wanted = [(offset, key) for offset, key in world.records if start <= offset < until]
    left = [offset for offset, key in wanted if not account.is_processed(0, offset, key)]
    assert len(left) == len(wanted) - account.totals.events
    assert all(offset >= part.open_from for offset in left)
    assert part.unaccounted == until - start - account.totals.events
    if not part.unaccounted:
        assert not left


@given(worlds(deleted=False), st.integers(0, 25))
def test_what_kafka_has_deleted_is_no_loss_where_the_lake_has_it(world: World, lake_until: int) -> None:
    end = len(world.offsets)
    lake_until = min(lake_until, end)
    kept_from = World(world.offsets, world.read, lake_until)
    part = replayed(kept_from, 0, end, lake_until).partitions[0]
    assert part.lost is None
    assert part.open_from <= min(world.left, default=end)
    if lake_until < end:
        beyond = World(world.offsets, dict.fromkeys(world.read, 0), lake_until + 1)
        assert replayed(beyond, 0, end, lake_until).partitions[0].lost == (lake_until, lake_until + 1)


def test_offsets_that_nobody_has_are_lost_unless_they_are_skipped() -> None:
    extents, parts = {0: Extent(15, 20)}, {0: Part(0, 20, 10)}
    refused = Account.of(extents, {}, {}, parts)
    skipped = Account.of(extents, {}, {0: [(10, 15)]}, parts)
    assert refused
    assert skipped
    assert (refused.partitions[0].lost, skipped.partitions[0].lost) == ((10, 15), None)


def test_records_that_a_replay_leaves_out_are_accounted_for() -> None:
    """They count as read, and in none of the totals: those are less than what the offsets count."""
    key = KEYS[0]
    report = ShardReport(Progress(accepted=2), SHARDS, advance(b"", [0] * 5, range(5)))
    account = Account.of({0: Extent(0, 7)}, {shard_of(key, SHARDS): report}, {})
    assert account is not None
    part = account.partitions[0]
    assert (account.totals.events, part.records, part.unaccounted) == (2, 5, 2)
    assert [account.is_processed(0, offset, key) for offset in (4, 5)] == [True, False]
