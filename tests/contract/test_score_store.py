"""The contract of ScoreStore, over both implementations, and what only Redis can show."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftline.errors import ServiceUnavailable, SettingError
from driftline.score_message import age_of
from driftline.serving.v1.scores_pb2 import AsOfEvent, UserScores
from sink_connectors.in_memory_store import InMemoryScoreStore
from sink_connectors.score_store import (
    BATCH_BYTES_MAX,
    BATCH_MAX,
    Claim,
    Progress,
    Recorded,
    RedisScoreStore,
    ScoreStore,
    ShardReport,
    Written,
)
from sink_connectors.score_value import StoredScores, encode_value, job_key, progress_key, user_key
from tests.redis_server import RedisServer, wait_until
from tests.stored import with_age_in_front

ODD_IDS = [
    "ü",
    "日本",
    "a b",
    "a*b",
    "{x}",
    "}",
    "{",
    "x}y{z",
    "[a-z]?",
    "\\",
    "new\nline",
    "driftline:main:{u}",
    "é" * 64,
]
NAMESPACES = (f"test-{number}" for number in itertools.count())


def value(accepted_events: int, *, generation: int = 1, scores: bytes = b"scores") -> bytes:
    return encode_value(generation, accepted_events, scores)


def aged(accepted_events: int, age_s: int, *, generation: int = 1) -> bytes:
    """A value of scores as of an age; 0: as of the newest event."""
    message = UserScores(user_id="u", accepted_events=accepted_events, age_s=age_s)
    if not age_s:
        return value(accepted_events, generation=generation, scores=message.SerializeToString())
    message.as_of_event.CopyFrom(AsOfEvent(scores={"engagement": 0.5}))
    return value(accepted_events, generation=generation, scores=with_age_in_front(message, b"1234"))


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest) -> Iterator[ScoreStore]:
    """An empty store."""
    if request.param == "memory":
        yield InMemoryScoreStore()
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    with server.client() as client:
        client.delete("driftline:live", "driftline:previous")
    redis_store = connected(server, namespace=next(NAMESPACES))
    yield redis_store
    redis_store.close()


def connected(
    server: RedisServer, *, namespace: str = "main", ttl_s: float = 100, retry_s: float = 5
) -> RedisScoreStore:
    return RedisScoreStore.connect(server.url, namespace=namespace, ttl_s=ttl_s, retry_s=retry_s)


class TestWrite:
    def test_reads_back_what_was_written(self, store: ScoreStore) -> None:
        assert store.write([("u1", value(3)), ("u2", value(4, scores=bytes(range(256))))], None).accepted == 2
        assert store.read(["u2", "u1"]) == [StoredScores(1, 4, bytes(range(256))), StoredScores(1, 3, b"scores")]

    def test_older_version_never_overwrites(self, store: ScoreStore) -> None:
        store.write([("u", value(3, scores=b"new"))], None)
        assert store.write([("u", value(2, scores=b"old"))], None).accepted == 0
        assert store.read(["u"]) == [StoredScores(1, 3, b"new")]

    def test_equal_version_does_not_overwrite(self, store: ScoreStore) -> None:
        store.write([("u", value(3, scores=b"first"))], None)
        assert store.write([("u", value(3, scores=b"second"))], None).accepted == 0
        assert store.read(["u"]) == [StoredScores(1, 3, b"first")]

    def test_newer_version_overwrites(self, store: ScoreStore) -> None:
        store.write([("u", value(3))], None)
        assert store.write([("u", value(4, scores=b"newer"))], None).accepted == 1
        assert store.read(["u"]) == [StoredScores(1, 4, b"newer")]

    def test_generation_beats_count(self, store: ScoreStore) -> None:
        store.write([("u", value(1_000_000, generation=1))], None)
        assert store.write([("u", value(1, generation=2))], None).accepted == 1
        assert store.write([("u", value(2_000_000, generation=1))], None).accepted == 0
        assert store.read(["u"]) == [StoredScores(2, 1, b"scores")]

    def test_values_that_a_later_generation_outranks_are_told_from_replays(self, store: ScoreStore) -> None:
        store.write([("a", value(40, generation=2)), ("b", value(5))], None)
        written = store.write([("a", value(5_001)), ("b", value(5)), ("c", value(1))], None)
        assert written == Written(accepted=1, outranked=1)  # c; a, which is another job's; b was there

    def test_outranked_values_are_added_up_over_commands(self, store: ScoreStore) -> None:
        users = [f"u{number}" for number in range(BATCH_MAX + 2)]
        store.write([(user_id, value(1, generation=2**33)) for user_id in users], None)
        assert store.write([(user_id, value(9)) for user_id in users], None) == Written(0, len(users))

    @pytest.mark.parametrize("low", [2**31 - 1, 2**32 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**64 - 2, 0x0A0D, 255])
    @pytest.mark.parametrize("field", ["generation", "accepted_events"])
    def test_numbers_one_apart_are_told_apart_at_every_size(self, store: ScoreStore, low: int, field: str) -> None:
        def at(number: int) -> bytes:
            return value(number) if field == "accepted_events" else value(7, generation=number)

        assert store.write([("u", at(low))], None).accepted == 1
        assert store.write([("u", at(low + 1))], None).accepted == 1
        assert store.write([("u", at(low))], None).accepted == 0
        assert store.write([("u", at(low + 1))], None).accepted == 0

    @pytest.mark.parametrize("counts", list(itertools.permutations([1, 2, 3])))
    def test_newest_of_a_user_within_a_batch_wins_whatever_the_order(
        self, store: ScoreStore, counts: tuple[int, ...]
    ) -> None:
        store.write([("u", value(count, scores=b"%d" % count)) for count in counts], None)
        assert store.read(["u"]) == [StoredScores(1, 3, b"3")]

    def test_tombstone_is_a_value_and_outlives_older_scores(self, store: ScoreStore) -> None:
        store.write([("u", value(3))], None)
        assert store.write([("u", encode_value(1, 4, b""))], None).accepted == 1
        assert store.write([("u", value(3))], None).accepted == 0
        (stored,) = store.read(["u"])
        assert stored is not None
        assert stored.is_tombstone

    @pytest.mark.parametrize("older_s", [0, 1, 255, 256, 2**16, 2**31, 2**32 - 2])
    def test_of_equal_versions_the_larger_age_wins(self, store: ScoreStore, older_s: int) -> None:
        assert store.write([("u", aged(3, older_s))], None).accepted == 1
        assert store.write([("u", aged(3, older_s))], None).accepted == 0
        assert store.write([("u", aged(3, older_s + 1))], None).accepted == 1
        assert store.write([("u", aged(3, older_s)), ("u", aged(3, 0)), ("u", aged(2, 2**32 - 1))], None).accepted == 0
        (stored,) = store.read(["u"])
        assert stored is not None
        assert age_of(stored.scores) == older_s + 1

    def test_an_event_beats_every_age_before(self, store: ScoreStore) -> None:
        store.write([("u", aged(3, 2**32 - 1))], None)
        assert store.write([("u", aged(4, 0))], None).accepted == 1
        assert store.write([("u", aged(3, 2**32 - 1))], None) == Written(accepted=0, outranked=0)
        assert store.write([("u", aged(9, 5, generation=0))], None) == Written(accepted=0, outranked=1)

    def test_a_tombstone_is_outranked_by_no_age(self, store: ScoreStore) -> None:
        store.write([("u", encode_value(1, 4, b""))], None)
        assert store.write([("u", aged(4, 60)), ("u", aged(3, 90))], None).accepted == 0
        assert store.write([("u", aged(5, 60))], None).accepted == 1

    def test_batch_larger_than_one_command(self, store: ScoreStore) -> None:
        values = [(f"u{number}", value(1)) for number in range(2 * BATCH_MAX + 1)]
        assert store.write(values, (1, ShardReport(Progress(accepted=7)))).accepted == len(values)
        assert None not in store.read([user_id for user_id, _ in values])
        assert store.read_progress() == {1: Progress(accepted=7)}

    def test_batch_of_more_bytes_than_one_command(self, store: ScoreStore) -> None:
        large = bytes(BATCH_BYTES_MAX * 2 // 5)
        values = [(f"u{number}", value(1, scores=large)) for number in range(7)]
        values.insert(3, ("huge", value(1, scores=bytes(2 * BATCH_BYTES_MAX))))
        assert store.write(values, (1, ShardReport(Progress(accepted=7)))).accepted == len(values)
        assert [stored and len(stored.scores) for stored in store.read(["u0", "huge", "u6"])] == [
            len(large),
            2 * BATCH_BYTES_MAX,
            len(large),
        ]

    def test_nothing_to_write(self, store: ScoreStore) -> None:
        assert store.write([], None).accepted == 0
        assert list(store.scan()) == []

    @pytest.mark.parametrize("values", [[], [("u", value(1))], [(f"u{n}", value(1)) for n in range(BATCH_MAX + 1)]])
    def test_meanwhile_is_called_once(self, store: ScoreStore, values: list[tuple[str, bytes]]) -> None:
        calls: list[str] = []
        assert store.write(values, None, lambda: calls.append("called")).accepted == len(values)
        assert calls == ["called"]

    def test_failure_meanwhile_is_raised_and_the_store_stays_usable(self, store: ScoreStore) -> None:
        with pytest.raises(ZeroDivisionError):
            store.write([("u", value(1))], None, lambda: 1 // 0)
        assert store.write([("u", value(2)), ("w", value(2))], None).accepted == 2


class TestRead:
    def test_user_without_a_value(self, store: ScoreStore) -> None:
        assert store.read(["nobody"]) == [None]

    def test_no_users(self, store: ScoreStore) -> None:
        assert store.read([]) == []

    def test_request_order_and_duplicates(self, store: ScoreStore) -> None:
        store.write([("a", value(1)), ("b", value(2))], None)
        counts = [stored and stored.accepted_events for stored in store.read(["b", "a", "x", "b"])]
        assert counts == [2, 1, None, 2]

    def test_odd_user_ids_stay_apart(self, store: ScoreStore) -> None:
        store.write([(user_id, value(number)) for number, user_id in enumerate(ODD_IDS)], None)
        found = store.read(ODD_IDS)
        assert [stored.accepted_events for stored in found if stored] == list(range(len(ODD_IDS)))

    def test_scan_finds_every_user_once_or_more(self, store: ScoreStore) -> None:
        user_ids = ODD_IDS + [f"u{number}" for number in range(3_000)]
        store.write([(user_id, value(1)) for user_id in user_ids], (1, ShardReport(Progress())))
        assert set(store.scan()) == {(user_id, StoredScores(1, 1, b"scores")) for user_id in user_ids}
        assert set(store.user_ids()) == set(user_ids)


class TestProgress:
    def test_absolute_totals_of_each_shard(self, store: ScoreStore) -> None:
        store.write([("u", value(1))], (5, ShardReport(Progress(1, 2, 3, 4))))
        store.write([], (127, ShardReport(Progress(accepted=2**60))))
        store.write([], (5, ShardReport(Progress(10, 2, 3, 4))))
        store.write([], (5, ShardReport(Progress(10, 2, 3, 4))))  # a replay
        assert store.read_progress() == {5: Progress(10, 2, 3, 4), 127: Progress(2**60, 0, 0, 0)}

    def test_totals_add_up_to_the_events_read(self) -> None:
        total = Progress.total([Progress(1, 2, 3, 4), Progress(10, 20, 30, 40)])
        assert total == Progress(11, 22, 33, 44)
        assert total.events == 110
        assert Progress.total([]) == Progress(0, 0, 0, 0)

    def test_none_yet(self, store: ScoreStore) -> None:
        assert store.read_progress() == {}
        assert store.read_reports() == {}
        assert store.read_skipped() == {}

    def test_offsets_come_with_the_totals(self, store: ScoreStore) -> None:
        packed = bytes(range(256))
        store.write([("u", value(1))], (5, ShardReport(Progress(1), 8, packed)))
        store.write([], (7, ShardReport(Progress(2))))
        assert store.read_reports() == {5: ShardReport(Progress(1), 8, packed), 7: ShardReport(Progress(2))}

    def test_unknown_types_stay_until_others_are_told(self, store: ScoreStore) -> None:
        first = ShardReport(Progress(1), 8, b"o", {"wish": 1, "кнопка": 2, "": 3})
        store.write([], (5, first))
        store.write([], (7, ShardReport(Progress(1), 8, b"o")))
        assert store.read_reports() == {5: first, 7: ShardReport(Progress(1), 8, b"o")}
        store.write([("u", value(1))], (5, ShardReport(Progress(2), 8, b"p")))
        assert store.read_reports()[5] == first._replace(totals=Progress(2), offsets=b"p")
        store.write([], (5, ShardReport(Progress(3), 8, b"p", {"wish": 2})))
        assert store.read_reports()[5].unknown_types == {"wish": 2}
        assert store.read_skipped() == {}

    def test_skipped_ranges_are_remembered_until_they_are_forgotten(self, store: ScoreStore) -> None:
        store.write([], (5, ShardReport(Progress(1), 8, b"")))
        store.note_skipped({})
        assert store.read_skipped() == {}
        store.note_skipped({0: (3, 9), 2: (0, 4)})
        store.note_skipped({0: (20, 21)})
        store.note_skipped({0: (20, 21)})  # said twice
        assert {key: sorted(spans) for key, spans in store.read_skipped().items()} == {
            0: [(3, 9), (20, 21)],
            2: [(0, 4)],
        }
        store.forget_skipped()
        assert store.read_skipped() == {}
        assert set(store.read_reports()) == {5}


def claim(generations: dict[int, int], shards: int = 2, job_id: str = "job", *, unproven: bool = False) -> Claim:
    return Claim(shards, generations, {shard: Progress(shard) for shard in generations}, job_id, unproven)


class TestClaim:
    def test_nothing_is_recorded_at_first(self, store: ScoreStore) -> None:
        assert store.recorded() == Recorded()

    def test_each_subtask_claims_its_own_shards(self, store: ScoreStore) -> None:
        assert store.claim(claim({250: 1_000})) is None
        assert store.claim(claim({110: 1_007})) is None  # a shard that began later, in the same job
        assert store.recorded() == Recorded(1_007, 2, ("job",))
        assert store.read_progress() == {250: Progress(250), 110: Progress(110)}

    def test_restart_of_the_same_job_claims_again(self, store: ScoreStore) -> None:
        for _ in range(2):
            assert store.claim(claim({250: 1_000, 110: 1_007})) is None
        assert store.recorded().job_ids == ("job",)

    def test_job_of_an_earlier_generation_is_refused_and_changes_nothing(self, store: ScoreStore) -> None:
        store.claim(claim({250: 1_000}))
        store.claim(claim({250: 2_000}, job_id="stray"))
        store.write([], (250, ShardReport(Progress(40))))
        assert store.claim(claim({250: 1_000}, job_id="again")) == Recorded(2_000, 2)
        assert store.recorded() == Recorded(2_000, 2, ("stray", "job"))
        assert store.read_progress() == {250: Progress(40)}

    def test_later_generation_takes_the_namespace_back(self, store: ScoreStore) -> None:
        store.claim(claim({250: 2_000}, job_id="stray"))
        assert store.claim(claim({250: 3_000}, job_id="again")) is None
        assert store.recorded() == Recorded(3_000, 2, ("again", "stray"))

    def test_one_shard_that_is_outranked_refuses_the_whole_claim(self, store: ScoreStore) -> None:
        store.claim(claim({250: 1_000, 110: 2_000}))
        assert store.claim(claim({250: 3_000, 110: 1_999})) == Recorded(2_000, 2)
        assert store.read_progress() == {250: Progress(250), 110: Progress(110)}
        assert store.claim(claim({250: 1_000})) is None  # it was not recorded with 3,000

    def test_other_number_of_shards_needs_a_later_generation(self, store: ScoreStore) -> None:
        store.claim(claim({250: 1_000, 110: 2_000}))
        assert store.claim(claim({250: 1_500}, shards=4)) == Recorded(2_000, 2)
        assert store.claim(claim({250: 2_500}, shards=4)) is None
        assert store.recorded() == Recorded(2_500, 4, ("job",))
        assert store.read_progress() == {250: Progress(250)}  # those of the other spread are gone

    def test_restored_job_that_cannot_prove_its_shards_is_refused(self, store: ScoreStore) -> None:
        store.claim(claim({250: 1_000}))
        assert store.claim(claim({39: 5_000}, shards=4, unproven=True)) == Recorded(1_000, 2)
        assert store.claim(claim({110: 5_000}, unproven=True)) is None  # the recorded number is proof enough

    def test_claim_tells_offsets_with_the_totals_where_they_are_known(self, store: ScoreStore) -> None:
        store.write([], (250, ShardReport(Progress(9), 2, b"newer than what was restored")))
        one = claim({250: 1_000, 110: 1_000})
        assert store.claim(one._replace(offsets={250: b"packed"})) is None
        assert store.read_reports() == {250: ShardReport(Progress(250), 2, b"packed"), 110: ShardReport(Progress(110))}

    def test_claim_tells_of_unknown_types_as_the_state_has_them(self, store: ScoreStore) -> None:
        store.write([], (250, ShardReport(Progress(9), 2, b"", {"newer": 1})))
        store.write([], (110, ShardReport(Progress(9), 2, b"", {"newer": 1})))
        assert store.claim(claim({250: 1_000, 110: 1_000})._replace(unknown_types={250: {"wish": 7}, 110: {}})) is None
        assert {shard: report.unknown_types for shard, report in store.read_reports().items()} == {
            250: {"wish": 7},
            110: None,
        }

    def test_claims_do_not_hide_progress_from_before_they_were_made(self, store: ScoreStore) -> None:
        store.write(
            [], (77, ShardReport(Progress(1)))
        )  # of a release that did not claim, and perhaps of another spread
        store.claim(claim({250: 1_000}))
        assert store.read_progress() == {250: Progress(250)}


class TestLiveNamespace:
    def test_main_until_another_is_promoted(self, store: ScoreStore) -> None:
        assert store.live_namespace() == "main"
        store.promote("rebuild-2")
        assert store.live_namespace() == "rebuild-2"

    def test_the_one_before_is_remembered(self, store: ScoreStore) -> None:
        assert store.previous_namespace() == ""
        store.promote("main")  # it is live already
        assert store.previous_namespace() == ""
        for namespace in ("b", "c", "c"):  # as a promotion whose answer was lost
            store.promote(namespace)
        assert (store.live_namespace(), store.previous_namespace()) == ("c", "b")

    @pytest.mark.parametrize("name", ["", "a b", "a:b", "a*", "{a}", "ä", "x" * 65])
    def test_bad_name_is_refused(self, store: ScoreStore, name: str) -> None:
        with pytest.raises(ValueError, match="namespace"):
            store.promote(name)


writes = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 2), st.integers(0, 3)), min_size=1, max_size=8, unique=True
)


@given(data=st.data(), versions=writes)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_duplication_of_writes_ends_alike(
    request: pytest.FixtureRequest, data: st.DataObject, versions: list[tuple[str, int, int]]
) -> None:
    """A version has one value: the scores are a function of it, as the job's are."""
    values = [(user, value(count, generation=born, scores=b"%d.%d" % (born, count))) for user, born, count in versions]
    shuffled = data.draw(st.permutations(values + data.draw(st.lists(st.sampled_from(values), max_size=8))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    newest = {user: (born, count) for user, born, count in sorted(versions)}
    server: RedisServer = request.getfixturevalue("redis_server")
    real = connected(server, namespace=next(NAMESPACES))
    for store in (InMemoryScoreStore(), real):
        for start, end in itertools.pairwise([0, *cuts, len(shuffled)]):
            store.write(shuffled[start:end], None)
        expected = {user: StoredScores(born, count, b"%d.%d" % (born, count)) for user, (born, count) in newest.items()}
        assert dict(store.scan()) == expected
    real.close()


aged_writes = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]), st.integers(1, 2), st.integers(0, 3), st.sampled_from([0, 0, 1, 300, 2**32 - 1])
    ),
    min_size=1,
    max_size=10,
)


@given(versions=aged_writes, data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_events_and_ages_ends_with_the_largest_and_never_goes_back(
    request: pytest.FixtureRequest, versions: list[tuple[str, int, int, int]], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(versions)), max_size=6)))
    real = connected(request.getfixturevalue("redis_server"), namespace=next(NAMESPACES))
    for store in (InMemoryScoreStore(), real):
        seen: dict[str, tuple[int, int, int]] = {}
        for start, end in itertools.pairwise([0, *cuts, len(versions)]):
            values = [(user, aged(count, age_s, generation=born)) for user, born, count, age_s in versions[start:end]]
            store.write(values, None)
            for user, stored in store.scan():
                version = stored.generation, stored.accepted_events, age_of(stored.scores)
                assert version >= seen.get(user, (0, 0, 0))
                seen[user] = version
        assert seen == {user: max(one[1:] for one in versions if one[0] == user) for user, *_ in versions}
    real.close()


@pytest.mark.redis
class TestRedis:
    def test_a_command_is_bounded_in_users_and_in_bytes(self, redis_server: RedisServer) -> None:
        store = connected(redis_server, namespace="bounds")

        def commands(values: list[tuple[str, bytes]]) -> int:
            with redis_server.client() as client:
                client.config_resetstat()
                store.write(values, (1, ShardReport(Progress(accepted=1))))
                return sum(int(client.info("commandstats")[name]["calls"]) for name in ("cmdstat_evalsha",))

        store.write([("u", value(1))], None)  # Redis knows the script
        half = value(2, scores=bytes(BATCH_BYTES_MAX // 2 - 16))
        assert commands([("a", half), ("b", half)]) == 1
        assert commands([("a", half), ("b", half), ("c", half)]) == 2
        assert commands([(f"u{number}", value(2)) for number in range(BATCH_MAX + 1)]) == 2
        store.close()

    def test_keys_and_bytes_are_those_of_the_contract(self, redis_server: RedisServer) -> None:
        store = connected(redis_server, namespace="layout")
        store.write([("u", value(2))], (3, ShardReport(Progress(1, 2, 3, 4))))
        with redis_server.client() as client:
            assert client.get("driftline:layout:{u}") == bytes.fromhex("0000000000000001 0000000000000002") + b"scores"
            assert client.hgetall("driftline:layout:progress") == {b"3": b"1 2 3 4"}
            store.claim(Claim(8, {3: 1_767_225_600_000}, {3: Progress(5, 6, 7, 8)}, "ab" * 16))
            assert client.hgetall("driftline:layout:progress") == {b"3": b"5 6 7 8"}
            assert client.hgetall("driftline:layout:job") == {
                b"shards": b"8",
                b"jobs": b"ab" * 16 + b" ",
                b"3": b"1767225600000",
            }
            assert list(store.user_ids()) == ["u"]
            store.promote("layout")
            assert client.get("driftline:live") == b"layout"
            assert client.get("driftline:previous")
        store.close()

    def test_namespaces_do_not_see_each_other(self, redis_server: RedisServer) -> None:
        one, other = (connected(redis_server, namespace=namespace) for namespace in ("nsXa", "ns.a"))
        one.write([("u", value(1))], (1, ShardReport(Progress())))
        assert list(other.scan()) == []
        assert other.read(["u"]) == [None]
        assert other.read_progress() == {}
        one.close()
        other.close()

    def test_accepted_write_renews_the_time_to_live_and_a_refused_one_does_not(self, redis_server: RedisServer) -> None:
        short, long = (connected(redis_server, namespace="ttl", ttl_s=ttl_s) for ttl_s in (50.5, 100))
        key = user_key("ttl", "u")
        with redis_server.client() as client:
            short.write([("u", value(2))], (1, ShardReport(Progress(), 8, b"packed")))
            assert 45_000 < client.pttl(key) <= 50_500
            long.write([("u", value(1)), ("u", value(2))], None)
            assert client.pttl(key) <= 50_500
            long.write([("u", value(3))], None)
            assert 95_000 < client.pttl(key) <= 100_000
            assert client.pttl(progress_key("ttl")) == -1
            assert client.hget("driftline:ttl:offsets", "1") == (8).to_bytes(8, "little") + b"packed"
            store_key = job_key("ttl")
            long.claim(claim({1: 1}))
            assert client.pttl(store_key) == -1
        short.close()
        long.close()

    def test_a_write_of_an_age_keeps_the_time_to_live_that_there_is(self, redis_server: RedisServer) -> None:
        short, long = (connected(redis_server, namespace="ages", ttl_s=ttl_s) for ttl_s in (50.5, 100))
        key = user_key("ages", "u")
        with redis_server.client() as client:
            long.write([("u", aged(2, 60))], None)  # nothing is there: as every write
            assert 95_000 < client.pttl(key) <= 100_000
            short.write([("u", aged(3, 0))], None)
            assert 45_000 < client.pttl(key) <= 50_500
            assert long.write([("u", aged(3, 60)), ("u", aged(3, 90))], None).accepted == 2
            assert 0 < client.pttl(key) <= 50_500
            long.write([("u", aged(4, 60))], None)
            assert 0 < client.pttl(key) <= 50_500
            long.write([("u", aged(5, 0))], None)
            assert 95_000 < client.pttl(key) <= 100_000
        short.close()
        long.close()

    def test_foreign_value_that_is_too_short_is_overwritten(self, redis_server: RedisServer) -> None:
        store = connected(redis_server, namespace="foreign")
        with redis_server.client() as client:
            client.set(user_key("foreign", "u"), b"junk")
        with pytest.raises(ValueError, match="4 bytes"):
            store.read(["u"])
        assert store.write([("u", value(1))], None).accepted == 1
        store.close()

    def test_bug_is_not_reported_as_an_outage(self, redis_server: RedisServer) -> None:
        store = connected(redis_server, namespace="bug")
        with redis_server.client() as client:
            client.rpush(user_key("bug", "u"), "a list")
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            store.write([("u", value(1))], (1, ShardReport(Progress(accepted=1))))
        assert store.read_progress() == {}  # never ahead of the values
        store.close()

    def test_jobs_that_are_remembered_are_bounded(self, redis_server: RedisServer) -> None:
        store = connected(redis_server, namespace="jobs")
        for number in range(100):
            store.claim(claim({1: number}, job_id=f"{number:032x}"))
        assert store.recorded().job_ids == tuple(f"{99 - number:032x}" for number in range(20))
        store.close()

    def test_threads_share_a_store(self, redis_server: RedisServer) -> None:
        store = connected(redis_server, namespace="threads")
        accepted: list[int] = []

        def write_all(name: str) -> None:
            accepted.extend(store.write([(f"{name}-{number}", value(1))], None).accepted for number in range(100))

        threads = [threading.Thread(target=write_all, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert accepted == [1] * 400
        assert len(set(store.user_ids())) == 400
        store.close()

    @pytest.mark.parametrize("url", ["http://localhost", "localhost:6379"])
    def test_bad_url_says_what_is_accepted(self, url: str) -> None:
        with pytest.raises(SettingError, match=r"redis_url .*accepted are redis://host:6379/0"):
            RedisScoreStore.connect(url)

    def test_bad_namespace(self) -> None:
        with pytest.raises(SettingError, match="namespace"):
            RedisScoreStore.connect("redis://localhost", namespace="a*")


@pytest.mark.redis
class TestRedisTrouble:
    def test_restart_forgets_the_script_and_writes_go_on(self, own_redis: RedisServer) -> None:
        store = connected(own_redis)
        assert store.write([("u", value(1))], None).accepted == 1
        own_redis.stop()
        own_redis.start()
        assert store.write([("u", value(1))], (1, ShardReport(Progress(accepted=1)))).accepted == 1
        assert store.write([("u", value(2))], None).accepted == 1
        with own_redis.client() as client:
            client.script_flush()
        assert store.write([("u", value(2)), ("v", value(1))], None).accepted == 1
        store.close()

    def test_away_then_back_within_the_retries(self, own_redis: RedisServer) -> None:
        store = connected(own_redis, retry_s=10)
        store.write([("u", value(1))], None)
        own_redis.stop()
        results: list[int] = []
        calls: list[str] = []

        def write() -> None:
            results.append(store.write([("u", value(2))], None, lambda: calls.append("called")).accepted)

        writer = threading.Thread(target=write)
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        own_redis.start()
        writer.join(10)
        assert (results, calls) == ([1], ["called"])
        store.close()

    def test_away_for_longer_names_the_url_without_its_password(self, own_redis: RedisServer) -> None:
        own_redis.stop()
        url = f"redis://me:secret@127.0.0.1:{own_redis.port}/0"
        store = RedisScoreStore.connect(url, retry_s=0.2)
        calls = [
            lambda: store.write([("u", value(1))], None),
            lambda: store.read(["u"]),
            lambda: list(store.scan()),
            store.live_namespace,
        ]
        for call in calls:
            with pytest.raises(ServiceUnavailable, match=f"redis://127.0.0.1:{own_redis.port}/0") as caught:
                call()
            assert "secret" not in str(caught.value)
        own_redis.start()
        own_redis.client().acl_setuser("me", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all"])
        assert store.live_namespace() == "main"

    def test_wrong_password_is_not_retried(self, own_redis: RedisServer) -> None:
        store = RedisScoreStore.connect(f"redis://me:wrong@127.0.0.1:{own_redis.port}", retry_s=60)
        with pytest.raises(ServiceUnavailable, match="invalid username-password"):
            store.write([("u", value(1))], None)

    def test_read_only_replica_is_waited_for(self, own_redis: RedisServer) -> None:
        store = connected(own_redis, retry_s=10)
        with own_redis.client() as client:
            client.replicaof("127.0.0.1", str(own_redis.port))  # of itself: never in sync
            promoted = threading.Timer(0.3, lambda: own_redis.client().replicaof("NO", "ONE"))
            promoted.start()
            assert store.write([("u", value(1))], (1, ShardReport(Progress()))).accepted == 1
            promoted.join()
        store.close()

    def test_full_redis_is_unavailable(self, own_redis: RedisServer) -> None:
        store = connected(own_redis, retry_s=0.1)
        with own_redis.client() as client:
            client.config_set("maxmemory", "1")
        with pytest.raises(ServiceUnavailable, match="cannot be used"):
            store.write([("u", value(1))], None)
        store.close()

    def test_scan_ends_at_a_restart_instead_of_missing_users(self, own_redis: RedisServer) -> None:
        store = connected(own_redis)
        store.write([(f"u{number}", value(1)) for number in range(5_000)], None)
        found = store.user_ids()
        next(found)
        own_redis.stop()
        own_redis.start()
        with pytest.raises(ServiceUnavailable):
            list(found)

    def test_connects_at_the_first_call(self, own_redis: RedisServer) -> None:
        with own_redis.client() as client:

            def others() -> int:
                return len(client.client_list()) - 1

            wait_until(lambda: others() == 0)
            store = connected(own_redis)
            assert others() == 0
            store.write([("u", value(1))], None)
            assert others() == 1
            store.close()
            wait_until(lambda: others() == 0)
            assert store.write([("u", value(2))], None).accepted == 1
            store.close()
