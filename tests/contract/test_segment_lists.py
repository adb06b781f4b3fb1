"""The lists of segments' members, over both stores, and what only Redis can show."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftline.serving.v1.scores_pb2 import UserScores
from sink_connectors.in_memory_store import InMemoryScoreStore
from sink_connectors.namespaces import RedisNamespaces
from sink_connectors.score_store import BATCH_MAX, Claim, Progress, RedisScoreStore, ScoreStore, ShardReport
from sink_connectors.score_value import encode_value
from sink_connectors.segment_lists import SWEEP_S, Rows, SegmentWrite, Sweeps, decode_row, segment_key, with_digest
from tests.redis_server import RedisServer
from tests.stored import with_age_in_front

NAMESPACES = (f"lists-{number}" for number in itertools.count())
FANS, LIKELY = "fans", "likely"
SHARDS = {3: 7, 5: 7}  # generations by shard
T0 = 1_767_225_600_000


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest) -> Iterator[ScoreStore]:
    """An empty store with two segments, in two shards."""
    made = InMemoryScoreStore() if request.param == "memory" else connected(request.getfixturevalue("redis_server"))
    begin(made)
    yield made
    if isinstance(made, RedisScoreStore):
        made.close()


def connected(server: RedisServer, ttl_s: float = 100) -> RedisScoreStore:
    return RedisScoreStore.connect(server.url, namespace=next(NAMESPACES), ttl_s=ttl_s, retry_s=5)


def begin(store: ScoreStore, shards: int = 8, generations: Mapping[int, int] = SHARDS) -> None:
    progress = dict.fromkeys(generations, Progress())
    assert store.claim(Claim(shards, generations, progress, "ab" * 16)) is None
    store.declare_segments({FANS: "f1", LIKELY: "l1"})


def write(
    store: ScoreStore, users: Mapping[str, tuple[int, Sequence[int]]], *, shard: int = 3, generation: int = 7
) -> int:
    """Write users: accepted events, and since when they are members of each segment; returns how many were set."""
    values = [(user_id, encode_value(generation, accepted, b"scores")) for user_id, (accepted, _) in users.items()]
    rows = Rows(generation, [FANS, LIKELY], 1)
    members = SegmentWrite(shard, [FANS, LIKELY], [rows.encode(since_ms) for _, since_ms in users.values()])
    return store.write(values, (shard, ShardReport(Progress(1))), members=members).accepted


def members_of(store: ScoreStore) -> tuple[dict[str, int], dict[str, int]]:
    return dict(store.segment_members(FANS)), dict(store.segment_members(LIKELY))


def test_members_are_listed_over_all_shards(store: ScoreStore) -> None:
    write(store, {"u1": (1, [T0, -1]), "é{}": (1, [T0 + 1, 0]), "u3": (1, [-1, -1])})
    write(store, {"u4": (1, [-1, T0 + 2])}, shard=5)
    assert members_of(store) == ({"u1": T0, "é{}": T0 + 1}, {"é{}": 0, "u4": T0 + 2})
    assert store.segments() == {FANS: "f1", LIKELY: "l1"}


def test_who_leaves_is_taken_off_and_a_beginning_may_move(store: ScoreStore) -> None:
    write(store, {"u1": (1, [T0, T0]), "u2": (1, [T0, -1])})
    write(store, {"u1": (2, [-1, T0]), "u2": (2, [T0 - 5, -1])})
    assert members_of(store) == ({"u2": T0 - 5}, {"u1": T0})


def test_a_version_that_is_refused_changes_no_list(store: ScoreStore) -> None:
    write(store, {"u1": (5, [T0, -1])})
    assert write(store, {"u1": (4, [-1, T0])}) == 0
    assert write(store, {"u1": (5, [-1, T0])}) == 0
    assert members_of(store) == ({"u1": T0}, {})


def test_a_replay_in_other_blocks_leaves_nobody_behind(store: ScoreStore) -> None:
    """The job wrote version 5, crashed, and goes on from version 3, of a user who was no member before and after."""
    write(store, {"u1": (3, [-1, -1])})
    write(store, {"u1": (5, [T0, -1])})
    write(store, {"u1": (7, [-1, -1])})
    assert members_of(store) == ({}, {})


def test_a_user_whose_scores_are_gone_is_listed_anew(store: ScoreStore) -> None:
    assert write(store, {"u1": (7, [T0, -1])}) == 1
    assert members_of(store) == ({"u1": T0}, {})


def test_of_several_values_of_a_user_the_newest_counts(store: ScoreStore) -> None:
    values = [("u1", encode_value(7, accepted, b"x")) for accepted in (2, 3, 1)]
    rows = [Rows(7, [FANS, LIKELY], 1).encode(since_ms) for since_ms in ([T0, -1], [-1, T0], [T0, T0])]
    store.write(values, None, members=SegmentWrite(3, [FANS, LIKELY], rows))
    assert members_of(store) == ({}, {"u1": T0})


def test_a_tombstone_takes_its_user_off_every_list(store: ScoreStore) -> None:
    write(store, {"u1": (1, [T0, T0])})
    row = Rows(7, [FANS, LIKELY], 1).encode([-1, -1])
    store.write([("u1", encode_value(7, 2, b""))], None, members=SegmentWrite(3, [FANS, LIKELY], [row]))
    assert members_of(store) == ({}, {})
    (stored,) = store.read(["u1"])
    assert stored is not None
    assert stored.is_tombstone


def test_a_write_of_an_age_moves_its_user_between_the_lists(store: ScoreStore) -> None:
    write(store, {"u1": (1, [T0, -1]), "u2": (1, [T0, -1])})
    rows = Rows(7, [FANS, LIKELY], 1)

    def write_age(user_id: str, age_s: int, since_ms: Sequence[int]) -> int:
        message = UserScores(user_id=user_id, age_s=age_s)
        members = SegmentWrite(3, [FANS, LIKELY], [rows.encode(since_ms)])
        return store.write([(user_id, encode_value(7, 1, with_age_in_front(message)))], None, members=members).accepted

    assert write_age("u1", 3_600, [-1, T0 + 3_600_000]) == 1
    assert members_of(store) == ({"u2": T0}, {"u1": T0 + 3_600_000})
    assert write_age("u1", 60, [T0, -1]) == 0
    assert write_age("u1", 7_200, [-1, T0 + 3_600_000]) == 1
    assert members_of(store) == ({"u2": T0}, {"u1": T0 + 3_600_000})


def test_a_write_without_segments_touches_no_list(store: ScoreStore) -> None:
    write(store, {"u1": (1, [T0, -1])})
    store.write([("u1", encode_value(7, 2, b""))], None)
    store.write([("u1", encode_value(7, 3, b""))], None, members=SegmentWrite(3, [], []))
    assert members_of(store) == ({"u1": T0}, {})


def test_members_of_a_segment_that_is_declared_no_more_are_forgotten(store: ScoreStore) -> None:
    write(store, {"u1": (1, [T0, T0])})
    store.declare_segments({LIKELY: "l2", "new": "n1"})
    assert store.segments() == {LIKELY: "l2", "new": "n1"}
    assert members_of(store) == ({}, {"u1": T0})
    store.declare_segments({})
    assert store.segments() == {}
    assert members_of(store) == ({}, {})


def test_a_segment_that_is_declared_again_is_filled_anew(store: ScoreStore) -> None:
    epochs = [store.declare_segments(dict.fromkeys(names, "d")) for names in ([FANS, LIKELY], [FANS], [FANS, LIKELY])]
    assert epochs == [1, 2, 3]


def test_another_number_of_shards_begins_with_empty_lists(store: ScoreStore) -> None:
    write(store, {"u1": (1, [T0, T0])})
    begin(store)
    assert members_of(store) == ({"u1": T0}, {"u1": T0})
    begin(store, 4, {3: 8})
    assert members_of(store) == ({}, {})


USERS = st.sampled_from(["u1", "u2", "u3"])
STEPS = st.lists(st.tuples(USERS, st.integers(-1, 3), st.integers(-1, 3), st.booleans()), max_size=30)


@pytest.mark.redis
@given(steps=STEPS, crashes=st.sets(st.integers(0, 30)))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_after_any_crash_and_replay_the_lists_say_what_was_written_last(
    redis_server: RedisServer, steps: list[tuple[str, int, int, bool]], crashes: set[int]
) -> None:
    """A job that writes the truth of its own view: after a crash it goes on from its last checkpoint."""
    with closing(connected(redis_server)) as store:
        begin(store)
        live: dict[str, tuple[int, list[int]]] = {}  # accepted events and memberships of the job's state
        checkpoint, rows = dict(live), Rows(7, [FANS, LIKELY], 1)
        newest: dict[str, tuple[int, list[int]]] = {}
        for number, (user_id, first_ms, second_ms, skip) in enumerate(steps):
            if number in crashes:
                live = dict(checkpoint)
            before, _ = live.get(user_id, (0, []))
            now = (before + (2 if skip else 1), [first_ms, second_ms])
            members = SegmentWrite(3, [FANS, LIKELY], [rows.encode(now[1])])
            store.write([(user_id, encode_value(7, now[0], b"x"))], None, members=members)
            if now[0] > newest.get(user_id, (0, []))[0]:
                newest[user_id] = now
            live[user_id] = now
            if number % 4 == 0:
                checkpoint = dict(live)
        expected = [{u: ms[at] for u, (_, ms) in newest.items() if ms[at] >= 0} for at in range(2)]
        assert list(members_of(store)) == expected


@pytest.mark.redis
class TestRedis:
    def test_a_write_that_changes_nothing_writes_no_list(self, redis_server: RedisServer) -> None:
        with closing(connected(redis_server)) as store, redis_server.client() as client:
            begin(store)
            users = {f"u{number}": (1, [T0, -1]) for number in range(50)}
            write(store, users)
            client.config_resetstat()
            write(store, {user_id: (2, [T0, -1]) for user_id in users})
            stats = client.info("commandstats")
            assert "cmdstat_zadd" not in stats
            assert "cmdstat_zrem" not in stats

    def test_batches_of_a_large_write_have_their_own_rows(self, redis_server: RedisServer) -> None:
        users = {f"u{number}": (1, [T0 + number, -1]) for number in range(2 * BATCH_MAX + 7)}
        with closing(connected(redis_server)) as store:
            begin(store)
            assert write(store, users) == len(users)
            assert dict(store.segment_members(FANS)) == {user_id: since[0] for user_id, (_, since) in users.items()}

    def test_times_are_exact(self, redis_server: RedisServer) -> None:
        with closing(connected(redis_server)) as store:
            begin(store)
            write(store, {"u1": (1, [253_402_300_799_999, 1])})
            assert members_of(store) == ({"u1": 253_402_300_799_999}, {"u1": 1})

    def test_members_whose_scores_have_expired_are_cleared_away(self, redis_server: RedisServer) -> None:
        with closing(connected(redis_server)) as store, redis_server.client() as client:
            store._sweeps = Sweeps(clock=itertools.count(0, 2 * SWEEP_S).__next__)
            begin(store)
            users = {f"u{number}": (1, [T0 + number, T0]) for number in range(1_000)}
            write(store, users)
            client.delete(
                *[key for key in client.scan_iter(f"{store._prefix}*") if b"7" not in key.rpartition(b"{")[2]]
            )
            for accepted in range(2, 40):
                write(store, {"u7": (accepted, [T0 + 7, T0])})
            left = {user_id for user_id in users if "7" in user_id}
            assert set(dict(store.segment_members(FANS))) == left
            assert set(dict(store.segment_members(LIKELY))) == left

    def test_a_drop_deletes_them(self, own_redis: RedisServer) -> None:
        with closing(RedisScoreStore.connect(own_redis.url, namespace="old", retry_s=5)) as store:
            begin(store)
            write(store, {f"u{number}": (1, [T0, T0]) for number in range(30)})
            with own_redis.client() as client, closing(RedisNamespaces.connect(own_redis.url)) as there:
                assert client.zcard(segment_key("old", FANS, 3)) == 30
                assert sum(there.drop("old", force=False, now_ms=7)) == 30
                assert client.keys("*") == []


@given(st.integers(1, 5).flatmap(lambda number: st.lists(st.integers(-1, 2**53), min_size=number, max_size=number)))
def test_a_row_is_read_as_it_was_written(since_ms: list[int]) -> None:
    segments = [f"s{number}" for number in range(len(since_ms))]
    assert decode_row(Rows(7, segments, 1).encode(since_ms)) == since_ms


def test_a_digest_is_that_of_the_memberships_and_of_the_lists_that_they_are_in() -> None:
    digests = {Rows(7, [FANS, LIKELY], 1).encode([1, 2])[:8], Rows(7, [FANS, LIKELY], 1).encode([1, 3])[:8]}
    digests |= {Rows(8, [FANS, LIKELY], 1).encode([1, 2])[:8], Rows(7, [LIKELY, FANS], 1).encode([1, 2])[:8]}
    digests.add(Rows(7, [FANS, LIKELY], 2).encode([1, 2])[:8])
    assert len(digests) == 5


def test_the_digest_is_a_field_of_the_scores() -> None:
    row = Rows(7, [FANS], 1).encode([T0])
    stored = with_digest(encode_value(7, 1, UserScores(user_id="u1").SerializeToString()), row)
    message = UserScores.FromString(stored[16:])
    assert message == UserScores(user_id="u1", lists_digest=int.from_bytes(row[:8], "little"))


def test_a_shard_is_swept_once_a_while_one_segment_after_the_other() -> None:
    times = iter([0.0, 0.0, 0.5, SWEEP_S, SWEEP_S, 3.0, 3.0])
    sweeps = Sweeps(clock=lambda: next(times))
    assert sweeps.next(3, 2) == (1, b"0")
    sweeps.looked(3, 1, 2, b"17")
    assert sweeps.next(3, 2) == (0, b"")
    assert sweeps.next(3, 2) == (1, b"17")
    sweeps.looked(3, 1, 2, b"0")
    assert sweeps.next(3, 2) == (2, b"0")
    sweeps.looked(3, 2, 2, b"0")
    assert sweeps._at[3][0] == 0
