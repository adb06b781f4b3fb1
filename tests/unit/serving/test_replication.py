"""The server leaves a Redis that is no longer the one to read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
import redis

from serving.replication import Replication
from sink_connectors.score_store import RedisScoreStore
from tests.forwarder import Forwarder
from tests.grpc_server import Client, running_server
from tests.redis_server import RedisServer, free_port, wait_until
from tests.stored import stored_user


def reply(**about: object) -> bytes:
    return "\r\n".join(["# Replication", *(f"{name}:{value}" for name, value in about.items()), ""]).encode()


MASTER = reply(role="master", connected_slaves=0)
HEARING = reply(role="slave", master_host="10.0.0.7", master_port=6379, master_link_status="up")


def cut_off(down_s: int) -> bytes:
    return reply(role="slave", master_host="10.0.0.7", master_port=6379, master_link_status="down") + reply(
        master_link_down_since_seconds=down_s
    )


class TestWhatRedisSays:
    def replication(self) -> tuple[Replication, list[float]]:
        now = [100.0]
        return Replication(cut_off_s_max=10, clock=lambda: now[0]), now

    def test_master_and_a_replica_that_hears_from_it_are_read(self) -> None:
        replication, _ = self.replication()
        for about in (MASTER, HEARING, cut_off(9), MASTER):
            replication.examine(about)

    def test_replica_that_has_been_cut_off_for_long_is_an_outage_at_first_sight(self) -> None:
        replication, _ = self.replication()
        with pytest.raises(redis.ConnectionError, match=r"replica.*10\.0\.0\.7:6379.*down for 10 s"):
            replication.examine(cut_off(10))

    def test_link_that_never_was_up_is_timed_from_here(self) -> None:
        replication, now = self.replication()
        replication.examine(cut_off(-1))
        now[0] += 9.9
        replication.examine(cut_off(-1))
        now[0] += 0.1
        with pytest.raises(redis.ConnectionError):
            replication.examine(cut_off(-1))
        replication.examine(HEARING)
        replication.examine(cut_off(-1))

    def test_demotion_is_told_once(self) -> None:
        replication, _ = self.replication()
        told = []
        for about in (HEARING, MASTER, HEARING, HEARING, MASTER):
            replication.examine(about)
            told.append(replication.was_demoted)
        assert told == [False, False, True, False, False]

    def test_redis_that_does_not_tell_is_read_and_that_is_said_once(self, caplog: pytest.LogCaptureFixture) -> None:
        replication, _ = self.replication()
        for _ in range(3):
            replication.examine(redis.ResponseError("NOPERM this user has no permissions to run the 'info' command"))
        replication.examine(redis.ResponseError("LOADING Redis is loading the dataset in memory"))
        assert [record.levelno for record in caplog.records] == [logging.WARNING]


def put(server: RedisServer, accepted: int) -> None:
    store = RedisScoreStore.connect(server.url)
    store.write([stored_user("u", accepted=accepted)], None)
    store.close()


def accepted(client: Client) -> int | grpc.StatusCode:
    try:
        return client.get("u").scores.accepted_events
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code


@contextmanager
def failover() -> Iterator[tuple[RedisServer, RedisServer, Forwarder]]:
    """A master and its replica, and a name that leads to the master."""
    with RedisServer() as old, RedisServer() as new, Forwarder(old.port) as name:
        put(old, 1)
        with new.client() as client:
            client.replicaof("127.0.0.1", old.port)
            wait_until(lambda: client.info("replication")["master_link_status"] == "up")
        yield old, new, name


def demote(old: RedisServer, new: RedisServer, *, master_port: int) -> None:
    with new.client() as client:
        client.replicaof("NO", "ONE")
    with old.client() as client:
        client.replicaof("127.0.0.1", master_port)


def clients_of(server: RedisServer) -> int:
    with server.client() as client:
        return len(client.client_list(_type="normal")) - 1


@pytest.mark.redis
class TestFailoverBehindAName:
    """Connections that exist stay with the old master, which is alive; only new ones are led to the new one."""

    @pytest.mark.parametrize("settings", [{}, {"serve_stale": True}])
    def test_old_master_that_is_cut_off_is_not_read_for_ever(self, settings: dict[str, Any]) -> None:
        with failover() as (old, new, name), running_server(name.url, replica_cut_off_s_max=0.5, **settings) as client:
            assert accepted(client) == 1
            demote(old, new, master_port=free_port())  # it hears from nobody
            name.target = new.port
            put(new, 2)
            wait_until(lambda: accepted(client) == 2)
            assert client.health() == "SERVING"
            assert clients_of(old) == 0

    def test_demoted_master_is_left_though_it_hears_from_the_new_one(self) -> None:
        with failover() as (old, new, name), running_server(name.url) as client:
            assert accepted(client) == 1
            name.target = new.port
            demote(old, new, master_port=new.port)
            put(new, 2)
            wait_until(lambda: clients_of(old) == 0)
            wait_until(lambda: accepted(client) == 2)

    def test_name_that_leads_to_a_cut_off_replica_alone_is_an_outage(self) -> None:
        with failover() as (old, new, name), running_server(name.url, replica_cut_off_s_max=0.5) as client:
            demote(old, new, master_port=free_port())
            wait_until(lambda: client.health() == "NOT_SERVING")
            wait_until(lambda: accepted(client) is grpc.StatusCode.UNAVAILABLE)
            for _ in range(20):  # tries in between come to the same end
                assert accepted(client) is grpc.StatusCode.UNAVAILABLE
            with old.client() as redis_client:
                redis_client.replicaof("127.0.0.1", new.port)
            put(new, 2)
            wait_until(lambda: accepted(client) == 2)

    def test_replica_whose_lag_is_accepted_is_read_on(self) -> None:
        with failover() as (old, _, name), running_server(name.url, replica_cut_off_s_max=1e9) as client:
            with old.client() as redis_client:
                redis_client.replicaof("127.0.0.1", free_port())
                wait_until(lambda: redis_client.info("replication")["master_link_status"] == "down")
            assert accepted(client) == 1
            assert client.health() == "SERVING"

    def test_redis_that_cannot_serve_now_is_left_for_another_behind_the_name(self) -> None:
        """Error replies leave the connection standing; to ask it again would ask the same one for ever."""
        with failover() as (old, new, name), running_server(name.url) as client:
            assert accepted(client) == 1
            with old.client() as redis_client:
                redis_client.config_set("replica-serve-stale-data", "no")
            demote(old, new, master_port=free_port())
            name.target = new.port
            put(new, 2)
            wait_until(lambda: accepted(client) == 2, timeout_s=5)


@pytest.mark.redis
def test_user_without_the_right_to_ask_reads_all_the_same(own_redis: RedisServer) -> None:
    put(own_redis, 7)
    with own_redis.client() as admin:
        admin.acl_setuser("reader", enabled=True, passwords=["+secret"], keys=["driftline:*"], commands=["+mget"])
    with running_server(own_redis.url.replace("//", "//reader:secret@")) as client:
        assert accepted(client) == 7
        assert client.health() == "SERVING"
