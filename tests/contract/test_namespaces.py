"""What RedisNamespaces promises beyond what the commands show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from driftline.errors import InputError, ServiceUnavailable
from sink_connectors.namespaces import RedisNamespaces
from sink_connectors.score_store import BATCH_MAX, Claim, Progress, RedisScoreStore, ShardReport
from sink_connectors.score_value import encode_value
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis


@pytest.fixture
def there(own_redis: RedisServer) -> Iterator[RedisNamespaces]:
    with closing(RedisNamespaces.connect(own_redis.url)) as made:
        yield made


def filled(server: RedisServer, namespace: str, users: int = 1) -> RedisScoreStore:
    store = RedisScoreStore.connect(server.url, namespace=namespace, retry_s=5)
    store.write([(f"u{number}", encode_value(1, 1, b"x")) for number in range(users)], (1, ShardReport(Progress(1))))
    return store


class TestRollBack:
    def test_said_twice_it_is_done_once(self, there: RedisNamespaces, own_redis: RedisServer) -> None:
        with closing(filled(own_redis, "main")) as store:
            store.promote("next")
        for _ in range(2):  # as when the first answer was lost
            there.roll_back("main", instead_of="next")
        assert (there.live(), there.previous()) == ("main", "next")

    def test_not_over_a_promotion_of_somebody_else(self, there: RedisNamespaces, own_redis: RedisServer) -> None:
        with closing(filled(own_redis, "main")) as store:
            store.promote("next")
            store.promote("other")
        with pytest.raises(InputError, match="next is not the live one any more"):
            there.roll_back("main", instead_of="next")
        assert (there.live(), there.previous()) == ("other", "next")

    def test_not_to_one_that_was_dropped_or_is_being_dropped(
        self, there: RedisNamespaces, own_redis: RedisServer
    ) -> None:
        with closing(filled(own_redis, "main", 2 * BATCH_MAX)) as store:
            store.promote("next")
            dropping = there.drop("main", force=False, now_ms=7)
            next(dropping)
            with pytest.raises(InputError, match="is being dropped"):
                there.roll_back("main", instead_of="next")
            assert sum(dropping) > 0
            with pytest.raises(InputError, match="has been dropped"):
                there.roll_back("main", instead_of="next")
            assert (there.live(), there.previous()) == ("next", "main")


class TestDrop:
    def test_a_command_is_bounded(self, there: RedisNamespaces, own_redis: RedisServer) -> None:
        users = 10 * BATCH_MAX
        filled(own_redis, "big", users).close()
        with own_redis.client() as client:
            client.config_resetstat()
            pages = list(there.drop("big", force=False, now_ms=7))
            assert sum(pages) == users
            assert max(pages) < 1.5 * BATCH_MAX
            assert client.info("commandstats")["cmdstat_unlink"]["calls"] >= users / BATCH_MAX
            assert client.keys("*") == []  # the lock is gone, too

    def test_a_job_may_be_submitted_only_afterwards(self, there: RedisNamespaces, own_redis: RedisServer) -> None:
        with closing(filled(own_redis, "old")) as store:
            dropping = there.drop("old", force=False, now_ms=7)
            next(dropping)
            with store.submitting(60) as alone:
                assert not alone
            list(dropping)
            with store.submitting(60) as alone:
                assert alone

    def test_ends_where_the_lock_was_lost(self, there: RedisNamespaces, own_redis: RedisServer) -> None:
        with closing(filled(own_redis, "old", 5 * BATCH_MAX)) as store:
            dropping = there.drop("old", force=False, now_ms=7)
            next(dropping)
            with own_redis.client() as client:
                client.delete("driftline:old:submission")
            with pytest.raises(InputError, match="is being submitted"):
                list(dropping)
            assert next(store.user_ids(), None) is not None
        assert there.is_dropping("old")

    def test_an_outage_in_the_middle(self, there: RedisNamespaces, own_redis: RedisServer) -> None:
        filled(own_redis, "old", 3 * BATCH_MAX).close()
        dropping = there.drop("old", force=False, now_ms=7)
        next(dropping)
        own_redis.stop()
        with pytest.raises(ServiceUnavailable, match="cannot be used"):
            list(dropping)

    def test_a_bug_is_not_called_an_outage(self, there: RedisNamespaces, own_redis: RedisServer) -> None:
        with own_redis.client() as client:
            client.set("driftline:old:job", "no hash")
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            list(there.drop("old", force=False, now_ms=7))


def test_a_claim_ends_the_mark(there: RedisNamespaces, own_redis: RedisServer) -> None:
    with closing(filled(own_redis, "old", 3 * BATCH_MAX)) as store:
        store.claim(Claim(2, {1: 5}, {1: Progress(1)}, "ab" * 16))
        dropping = there.drop("old", force=False, now_ms=7)
        next(dropping)
        dropping.close()  # type: ignore[attr-defined]
        assert there.is_dropping("old")
        assert store.recorded().generation == 5
        store.claim(Claim(2, {1: 6}, {1: Progress(1)}, "cd" * 16))
        assert not there.is_dropping("old")
