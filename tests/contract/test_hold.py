"""A hold: no write into the namespace begins; then the switch, in one step."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from driftline.errors import InputError, ServiceUnavailable
from sink_connectors import score_store
from sink_connectors.hold import HOLD_MS, NamespaceHold
from sink_connectors.score_store import BATCH_MAX, Progress, RedisScoreStore, ShardReport, Written
from sink_connectors.score_value import encode_value, hold_key
from sink_connectors.segment_lists import Rows, SegmentWrite
from tests.redis_server import RedisServer, wait_until

pytestmark = pytest.mark.redis
VALUE = encode_value(1, 1, b"scores")
REPORT = ShardReport(Progress(1))


@pytest.fixture
def old(own_redis: RedisServer) -> Iterator[RedisScoreStore]:
    with closing(RedisScoreStore.connect(own_redis.url, namespace="main", retry_s=0.2)) as store:
        yield store


@pytest.fixture
def hold(own_redis: RedisServer) -> Iterator[NamespaceHold]:
    with closing(NamespaceHold.connect(own_redis.url, namespace="main", retry_s=1)) as made:
        yield made


def writing(store: RedisScoreStore, results: list[Written], meanwhile: list[str]) -> threading.Thread:
    def write() -> None:
        results.append(store.write([("u", VALUE)], (250, REPORT), lambda: meanwhile.append("state")))

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_a_write_waits_for_the_hold_to_end_and_is_then_made_once(old: RedisScoreStore, hold: NamespaceHold) -> None:
    hold.renew()
    results: list[Written] = []
    meanwhile: list[str] = []
    thread = writing(old, results, meanwhile)
    wait_until(lambda: meanwhile == ["state"])
    time.sleep(0.3)  # longer than an outage of Redis would be borne here
    assert (results, old.read(["u"]), old.read_progress()) == ([], [None], {})
    hold.lift()
    thread.join(10)
    assert (results, meanwhile) == ([Written(1, 0)], ["state"])
    assert old.read_progress() == {250: Progress(1)}
    assert not old.failed


def test_a_hold_ends_by_itself(old: RedisScoreStore, hold: NamespaceHold) -> None:
    hold.renew()
    began_s = time.monotonic()
    old.write([("u", VALUE)], None)
    assert 0.5 < time.monotonic() - began_s < 1.5 * HOLD_MS / 1_000


def test_one_that_never_ends_is_an_error(
    old: RedisScoreStore, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_store, "HELD_S_MAX", 0.1)
    with own_redis.client() as client:
        client.set(hold_key("main"), "somebody")
    with pytest.raises(ServiceUnavailable, match=f"delete {hold_key('main')}"):
        old.write([("u", VALUE)], None)


def test_a_write_that_has_begun_is_ended(own_redis: RedisServer, hold: NamespaceHold) -> None:
    users = [(f"u{number}", VALUE) for number in range(2 * BATCH_MAX)]
    with closing(RedisScoreStore.connect(own_redis.url, namespace="main", retry_s=1)) as store:
        begun = store._write_batch

        def then_hold(*arguments: object, begins: bool) -> Written:
            written = begun(*arguments, begins=begins)  # type: ignore[arg-type]
            hold.renew()
            return written

        store._write_batch = then_hold  # type: ignore[method-assign, assignment]
        assert store.write(users, (250, REPORT)).accepted == len(users)
    hold.lift()


def test_segments_stand_between_the_hashes_and_the_hold(old: RedisScoreStore, hold: NamespaceHold) -> None:
    epoch = old.declare_segments({"vip": "x"})
    rows = Rows(1, ["vip"], epoch)
    members = SegmentWrite(250, ["vip"], [rows.encode([5])])
    hold.renew()
    threading.Timer(0.1, hold.lift).start()
    assert old.write([("u", VALUE)], (250, REPORT), members=members).accepted == 1
    old.claim(score_store.Claim(1, {250: 1}, {250: Progress()}, "j"))
    assert list(old.segment_members("vip")) == [("u", 5)]


def test_other_namespaces_are_not_held(own_redis: RedisServer, hold: NamespaceHold) -> None:
    hold.renew()
    with closing(RedisScoreStore.connect(own_redis.url, namespace="other", retry_s=1)) as other:
        assert other.write([("u", VALUE)], None).accepted == 1


class TestSwitch:
    def test_it_is_one_step_and_the_hold_stays_until_servers_have_seen_it(
        self, old: RedisScoreStore, hold: NamespaceHold, own_redis: RedisServer
    ) -> None:
        hold.renew()
        assert hold.switch("new")
        assert (old.live_namespace(), old.previous_namespace()) == ("new", "main")
        with own_redis.client() as client:
            assert 1_000 < client.pttl(hold_key("main")) <= HOLD_MS

    def test_not_once_the_hold_has_ended(self, old: RedisScoreStore, hold: NamespaceHold) -> None:
        assert not hold.switch("new")
        hold.renew()
        hold.lift()
        assert not hold.switch("new")
        assert old.live_namespace() == "main"

    def test_not_where_another_is_live_or_it_is_dropped(
        self, old: RedisScoreStore, hold: NamespaceHold, own_redis: RedisServer
    ) -> None:
        hold.renew()
        with own_redis.client() as client:
            client.hset("driftline:new:job", "dropping", "1")
            with pytest.raises(InputError, match="is being dropped"):
                hold.switch("new")
            client.delete("driftline:new:job")
        old.promote("third")
        with pytest.raises(InputError, match="main is not the live one any more"):
            hold.switch("new")

    def test_two_promotions_do_not_share_a_hold(self, hold: NamespaceHold, own_redis: RedisServer) -> None:
        hold.renew()
        hold.renew()
        with closing(NamespaceHold.connect(own_redis.url, namespace="main", retry_s=1)) as second:
            with pytest.raises(InputError, match="held by another promotion"):
                second.renew()
            second.lift()
            assert not second.switch("new")
        assert hold.switch("new")
