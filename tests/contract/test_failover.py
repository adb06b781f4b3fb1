"""A Redis that moves: a failover behind a name, a balancer or Sentinels, and errors that leave no connection behind."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from driftline.errors import ServiceUnavailable
from sink_connectors.score_store import Progress, RedisScoreStore, ShardReport
from sink_connectors.score_value import encode_value, user_key
from tests.forwarder import Forwarder
from tests.redis_server import RedisServer, free_port, wait_until

pytestmark = pytest.mark.redis

FAILURES = 50
_accepted = itertools.count(1)


def write(store: RedisScoreStore, user_id: str = "u") -> int:
    return store.write(
        [(user_id, encode_value(1, next(_accepted), b"scores"))], (1, ShardReport(Progress(accepted=1)))
    ).accepted


def fail_over(primary: RedisServer, replica: RedisServer) -> None:
    """As an operator does it: the old primary lives on, as a replica of the new one, with all its connections."""
    replica.promote()
    primary.replicate(replica)


@pytest.fixture
def pair() -> Iterator[tuple[RedisServer, RedisServer]]:
    """A primary and its replica."""
    with RedisServer() as primary, RedisServer() as replica:
        replica.replicate(primary)
        yield primary, replica


class TestBehindABalancer:
    @pytest.fixture
    def moved(self, pair: tuple[RedisServer, RedisServer]) -> Iterator[tuple[RedisScoreStore, Callable[[], None]]]:
        """A store whose connections are with the old primary, and what fails over."""
        primary, replica = pair
        with Forwarder(primary.port) as balancer:
            store = RedisScoreStore.connect(balancer.url, retry_s=5)
            assert write(store) == 1
            assert store.read_progress() == {1: Progress(accepted=1)}  # the pool has a connection, too

            def move() -> None:
                fail_over(primary, replica)
                balancer.target = replica.port

            yield store, move
            store.close()

    def test_writes_reach_the_new_primary(
        self, pair: tuple[RedisServer, RedisServer], moved: tuple[RedisScoreStore, Callable[[], None]]
    ) -> None:
        store, move = moved
        move()
        assert write(store, "after") == 1
        with pair[1].client() as new:
            assert new.exists(user_key("main", "after")) == 1
        write(store)
        wait_until(lambda: pair[0].connections() == 0)

    def test_a_change_through_the_pool_reaches_it(
        self, pair: tuple[RedisServer, RedisServer], moved: tuple[RedisScoreStore, Callable[[], None]]
    ) -> None:
        store, move = moved
        move()
        store.promote("next")
        with pair[1].client() as new:
            assert new.get("driftline:live") == b"next"

    def test_a_lock_through_the_pool_reaches_it(
        self, pair: tuple[RedisServer, RedisServer], moved: tuple[RedisScoreStore, Callable[[], None]]
    ) -> None:
        store, move = moved
        move()
        with store.submitting(at_most_s=60) as alone:
            assert alone
            with pair[1].client() as new:
                assert any(b"submi" in key for key in new.keys("driftline:*"))


def test_a_name_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with RedisServer(port=port) as primary, RedisServer(host="127.0.0.2", port=port) as replica:
        replica.replicate(primary)
        addresses = [primary.host]
        real = socket.getaddrinfo

        def resolve(host: str, *arguments: object, **more: object) -> object:
            return real(addresses[-1] if host == "redis.test" else host, *arguments, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        store = RedisScoreStore.connect(f"redis://redis.test:{port}/0", retry_s=5)
        assert write(store) == 1
        fail_over(primary, replica)
        addresses.append(replica.host)
        assert write(store, "after") == 1
        store.close()


class Answers:
    """A Redis that answers a script on its first connection with an error, and takes it on every later one."""

    def __init__(self, error: str) -> None:
        self._error = f"-{error}\r\n".encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.accepted = 0

    def __enter__(self) -> Answers:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *ending: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                reply = self._error if self.accepted == 1 else b"*2\r\n:1\r\n:0\r\n"  # accepted, outranked
                threading.Thread(target=self._serve, args=(client, reply), daemon=True).start()

    @staticmethod
    def _serve(client: socket.socket, reply: bytes) -> None:
        with contextlib.suppress(OSError), client:
            while data := client.recv(65_536):
                client.sendall(reply if b"EVAL" in data else b"+OK\r\n" * data.count(b"SETINFO"))


@pytest.mark.parametrize(
    "error",
    [
        "READONLY You can't write against a read only replica.",
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "CLUSTERDOWN The cluster is down",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "NOREPLICAS Not enough good replicas to write.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "ERR Error running script (call to f_1): @user_script:29: -READONLY You can't write",
    ],
)
def test_an_error_that_another_redis_may_not_give_ends_the_connection(error: str) -> None:
    with Answers(error) as server:
        store = RedisScoreStore.connect(f"redis://127.0.0.1:{server.port}/0", retry_s=2)
        assert write(store) == 1
        assert server.accepted == 2
        store.close()


class TestSentinel:
    @pytest.fixture
    def sentinel(self, pair: tuple[RedisServer, RedisServer]) -> Iterator[RedisServer]:
        primary, replica = pair
        config = f"sentinel monitor scores 127.0.0.1 {primary.port} 1\n"
        config += "sentinel down-after-milliseconds scores 500\nsentinel failover-timeout scores 3000\n"
        with RedisServer("--sentinel", config=config) as server, server.client() as client:
            wait_until(lambda: self._known(client) == [replica.port], timeout_s=30)
            yield server

    @pytest.mark.parametrize("ending", ["told", "killed"])
    def test_writes_follow_the_primary(
        self, pair: tuple[RedisServer, RedisServer], sentinel: RedisServer, ending: str
    ) -> None:
        primary, replica = pair
        dead = free_port()
        url = f"redis+sentinel://127.0.0.1:{dead},127.0.0.1:{sentinel.port}/scores/0"
        store = RedisScoreStore.connect(url, retry_s=30)
        assert write(store) == 1
        assert store.read_progress() == {1: Progress(accepted=1)}
        if ending == "told":
            with sentinel.client() as client:
                wait_until(lambda: self._told(client), timeout_s=30)  # it wants news of the replica first
            # What the old primary takes until it is demoted is lost, whoever writes it.
            wait_until(lambda: primary.role() == "slave", timeout_s=30)
        else:
            with primary.client() as client:
                assert client.wait(1, 10_000) == 1  # what the replica has not got yet is lost, whoever writes it
            primary.stop()
        assert write(store, "after") == 1
        assert [stored and stored.accepted_events > 0 for stored in store.read(["u", "after"])] == [True, True]
        with replica.client() as client:
            assert client.role()[0] == b"master"
            assert client.exists(user_key("main", "after")) == 1
        store.close()
        wait_until(lambda: sentinel.connections() <= 2)  # the Sentinel's own, none of the store's

    @staticmethod
    def _known(sentinel: Any) -> list[int]:
        return [replica["port"] for replica in sentinel.sentinel_slaves("scores") if not replica["is_sdown"]]

    @staticmethod
    def _told(sentinel: Any) -> bool:
        try:
            return bool(sentinel.execute_command("SENTINEL", "FAILOVER", "scores"))
        except redis.ResponseError:
            return False

    def test_a_service_that_nobody_knows_is_named(self, sentinel: RedisServer) -> None:
        store = RedisScoreStore.connect(f"redis+sentinel://127.0.0.1:{sentinel.port}/other/0", retry_s=0)
        with pytest.raises(ServiceUnavailable, match="other"):
            write(store)


class TestNothingIsLeftOpen:
    """Redis takes 10,000 clients: a failure that leaves a connection behind ends in one of all readers and writers."""

    @pytest.fixture
    def server(self) -> Iterator[RedisServer]:
        with RedisServer() as server, server.client() as client:
            client.acl_setuser("me", enabled=True, passwords=["+right"], keys=["*"], commands=["-@all", "+ping"])
            yield server

    @pytest.mark.parametrize("login", ["me:wrong", "me:right", "nobody:x"])
    def test_refused(self, server: RedisServer, login: str) -> None:
        store = RedisScoreStore.connect(server.url.replace("//", f"//{login}@"), retry_s=60)
        self._fail(server, store, ServiceUnavailable)

    def test_read_only(self, server: RedisServer) -> None:
        with server.client() as client:
            client.replicaof("127.0.0.1", str(server.port))  # of itself: never in sync
        self._fail(server, RedisScoreStore.connect(server.url, retry_s=0), ServiceUnavailable)

    def test_full(self, server: RedisServer) -> None:
        with server.client() as client:
            client.config_set("maxmemory", "1")
        self._fail(server, RedisScoreStore.connect(server.url, retry_s=0), ServiceUnavailable)

    def test_too_slow(self, server: RedisServer) -> None:
        with server.client() as client:
            client.client_pause(60_000, all=False)  # writes
            store = RedisScoreStore.connect(f"{server.url}?socket_timeout=0.02", retry_s=0)
            self._fail(server, store, ServiceUnavailable)
            client.client_unpause()

    def test_a_bug(self, server: RedisServer) -> None:
        with server.client() as client:
            client.rpush(user_key("main", "u"), "a list")
        self._fail(server, RedisScoreStore.connect(server.url, retry_s=0), redis.ResponseError)

    def test_meanwhile(self, server: RedisServer) -> None:
        before = server.connections()
        store = RedisScoreStore.connect(server.url, retry_s=0)
        for _ in range(FAILURES):
            with pytest.raises(ZeroDivisionError):
                store.write([("u", encode_value(1, 1, b"x"))], None, lambda: 1 // 0)
        wait_until(lambda: server.connections() == before)

    @staticmethod
    def _fail(server: RedisServer, store: RedisScoreStore, error: type[Exception]) -> None:
        before = server.connections()
        calls: list[Callable[[], object]] = [
            lambda: write(store),
            lambda: store.promote("x"),
            lambda: store.read(["u"]),
            lambda: list(store.scan()),
        ]
        failures = 0
        while failures < FAILURES:
            for call in calls[: 1 if error is redis.ResponseError else None]:
                try:
                    call()
                except error:
                    failures += 1
        wait_until(lambda: server.connections() <= before + 2)  # one for writes, an idle one for reads
        store.close()
        wait_until(lambda: server.connections() == before)


class TestWhatTimeDoesNotHeal:
    @pytest.mark.parametrize(
        ("login", "said"),
        [("me:wrong", "invalid username-password"), ("me:right", "no permissions"), ("", "unauthenticated|required")],
    )
    def test_a_login_that_is_refused_is_said_at_once_and_logged(
        self, caplog: pytest.LogCaptureFixture, login: str, said: str
    ) -> None:
        with RedisServer() as server:
            with server.client() as client:
                client.acl_setuser("me", enabled=True, passwords=["+right"], keys=["*"], commands=["-@all", "+ping"])
                client.acl_setuser("default", enabled=True, reset_passwords=True, passwords=["+secret"])
            shown = server.url
            server.url = shown.replace("//", "//:secret@")
            store = RedisScoreStore.connect(shown.replace("//", f"//{login}@" if login else "//"), retry_s=600)
            with pytest.raises(ServiceUnavailable, match=said) as caught:
                write(store)
            assert "correct redis_url or redis_password_file" in str(caught.value)
            assert "secret" not in str(caught.value) and "wrong" not in str(caught.value)
            assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
                str(caught.value)
            ]
