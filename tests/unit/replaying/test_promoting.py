"""A promotion that waits until it takes nothing back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import promoting
from console.accounting import Account, Extent, Part
from console.promoting import Gap, behind, lacks, promote_in_step
from console.settings import StackSettings
from driftline.errors import InputError
from sink_connectors.score_store import Progress, RedisScoreStore, ShardReport
from sink_connectors.score_value import hold_key
from tests.redis_server import RedisServer
from udfs.offsets import advance
from udfs.shards import shard_of

KEYS = [f"user-{number}".encode() for number in range(9)]
Records = list[bytes]  # the key of each offset


def account(records: Records, shards: int, read: dict[int, int], start: int = 0) -> Account:
    """The account of a job that has processed so many records of each shard."""
    reports = {}
    for shard in {shard_of(key, shards) for key in records}:
        own = [offset for offset, key in enumerate(records) if offset >= start and shard_of(key, shards) == shard]
        done = own[: read.get(shard, 0)]
        packed = advance(b"", [0] * len(done), done)
        reports[shard] = ShardReport(Progress(len(done)), shards, packed)
    found = Account.of({0: Extent(0, len(records))}, reports, {}, {0: Part(start)})
    assert found is not None
    return found


def processed(records: Records, of: Account) -> set[int]:
    return {offset for offset, key in enumerate(records) if of.is_processed(0, offset, key)}


reads = st.dictionaries(st.sampled_from([shard_of(key, 4) for key in KEYS]), st.integers(0, 30))


@given(st.lists(st.sampled_from(KEYS), min_size=1, max_size=40), reads, reads)
def test_with_as_many_shards_the_offsets_alone_tell(records: Records, old: dict[int, int], new: dict[int, int]) -> None:
    before, after = account(records, 4, old), account(records, 4, new)
    assert (not behind(before, after)) == (processed(records, before) <= processed(records, after))


@given(
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=40),
    st.sampled_from([(2, 8), (8, 2), (1, 16), (4, 4)]),
    st.data(),
)
def test_with_other_shards_the_records_of_the_gap_tell(
    records: Records, shards: tuple[int, int], data: st.DataObject
) -> None:
    counts = [{shard_of(key, number): data.draw(st.integers(0, 40)) for key in records} for number in shards]
    before, after = (account(records, number, read) for number, read in zip(shards, counts, strict=True))
    lacking = processed(records, before) - processed(records, after)
    gaps = behind(before, after)
    within = [(offset, records[offset]) for gap in gaps for offset in range(gap.begin, gap.end)]
    assert lacking <= {offset for offset, _ in within}
    assert lacks(before, after, 0, within) == bool(lacking)


def test_a_replay_that_began_later_lacks_nothing_of_before() -> None:
    records = KEYS[:1] * 10 + KEYS[1:2] * 5
    shards = {shard_of(key, 4): 10 for key in KEYS}
    assert behind(account(records, 4, {shard_of(KEYS[0], 4): 10}), account(records, 4, {}, start=10)) == []
    assert behind(account(records, 4, shards), account(records, 4, {}, start=10)) != []


def test_a_partition_that_is_not_read_at_all_is_a_gap() -> None:
    before = account(KEYS, 4, dict.fromkeys([shard_of(key, 4) for key in KEYS], 9))
    after = Account(Progress(), {}, 4)
    (gap,) = behind(before, after)
    assert (gap.partition, gap.begin, gap.end) == (0, 0, len(KEYS))


class Compared:
    """A comparison whose gaps the test says."""

    gaps: Callable[[], list[Gap]]
    count = 0

    def __init__(self, *_: object) -> None:
        pass

    def behind(self) -> list[Gap]:
        return type(self).gaps()

    def processed(self) -> int:
        type(self).count += 1
        return type(self).count

    def close(self) -> None:
        pass


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> type[Compared]:
    class Own(Compared):
        pass

    monkeypatch.setattr(promoting, "Comparison", Own)
    monkeypatch.setattr(promoting, "_SAMPLE_S", 0.2)
    return Own


@pytest.fixture
def store(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisScoreStore]:
    monkeypatch.setenv("DRIFTLINE_REDIS_URL", own_redis.url)
    with closing(RedisScoreStore.connect(own_redis.url, retry_s=1)) as made:
        yield made


def promote(hold_s: float = 5.0) -> None:
    promote_in_step(StackSettings.load(), "events", ("main", "new"), hold_s=hold_s, report=lambda _: None)


@pytest.mark.redis
class TestPromotion:
    def test_the_old_job_is_held_from_before_the_comparison_until_after_the_switch(
        self, compared: type[Compared], store: RedisScoreStore, own_redis: RedisServer
    ) -> None:
        held: list[bool] = []

        def gaps() -> list[Gap]:
            with own_redis.client() as client:
                held.append(bool(client.exists(hold_key("main"))))
            return [Gap(0, 1, 2)] if 0 < len(held) - 1 < 5 else []

        compared.gaps = staticmethod(gaps)
        promote()
        assert held == [False, *[True] * 5]  # at first it was near
        assert store.live_namespace() == "new"
        with own_redis.client() as client:
            assert client.exists(hold_key("main"))

    def test_one_that_does_not_get_there_leaves_everything_as_it_was(
        self, compared: type[Compared], store: RedisScoreStore, own_redis: RedisServer
    ) -> None:
        compared.gaps = staticmethod(lambda: [Gap(3, 10, 14)])
        counts = iter(range(0, 1_000, 100))
        compared.processed = lambda _: next(counts)  # type: ignore[method-assign, assignment]
        with pytest.raises(
            InputError, match=r"behind main after 0.3 s, by up to 4 offsets \(partition 3 from 10 to 14\)"
        ):
            promote(hold_s=0.3)
        assert store.live_namespace() == "main"
        with own_redis.client() as client:
            assert not client.exists(hold_key("main"))

    def test_one_that_is_far_behind_is_not_even_held(
        self, compared: type[Compared], store: RedisScoreStore, own_redis: RedisServer
    ) -> None:
        compared.gaps = staticmethod(lambda: [Gap(3, 0, 1_000_000)])
        with pytest.raises(InputError, match="behind main now, by up to 1,000,000 offsets"):
            promote()
        with own_redis.client() as client:
            assert not client.exists(hold_key("main"))
