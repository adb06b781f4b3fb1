"""A caller of the REST gateway cannot hold what others need by being slow, large or many."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from serving.rest.limits import HEAD_BYTES_MAX
from tests.fake_scores import FakeScores, fake_server, user
from tests.redis_server import wait_until
from tests.rest_gateway import rest_gateway

SOON_S = 0.3
GET = b"GET /v1/users/u1/scores HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    fake = FakeScores()
    fake.put(user("u1"))
    with fake_server(fake) as target:
        yield target


@contextmanager
def connected(gateway: httpx.Client) -> Iterator[socket.socket]:
    with socket.create_connection((gateway.base_url.host, gateway.base_url.port or 0), timeout=10) as connection:
        yield connection


def received(connection: socket.socket) -> bytes:
    """Everything until the gateway closes the connection."""
    answer = b""
    try:
        while chunk := connection.recv(65_536):
            answer += chunk
    except ConnectionResetError:
        pass
    return answer


def is_served(gateway: httpx.Client) -> bool:
    return gateway.get("/v1/users/u1/scores").status_code == 200


@pytest.mark.parametrize("sent", [b"", b"GET /v1", GET + b"X: y", GET + b"\r\n" + GET])
def test_head_that_does_not_come_ends_the_connection(target: str, sent: bytes) -> None:
    """Also that of a second request; what was asked before is answered."""
    with rest_gateway(target, head_s=SOON_S) as gateway, connected(gateway) as connection:
        connection.sendall(sent)
        assert received(connection).count(b"HTTP/1.1 200") == (sent.count(b"\r\n\r\n"))
        assert is_served(gateway)


def test_byte_now_and_then_gains_no_time(target: str) -> None:
    with rest_gateway(target, head_s=SOON_S) as gateway, connected(gateway) as connection:
        connection.settimeout(0.05)
        begin = time.monotonic()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while time.monotonic() < begin + 10:
                connection.sendall(b"G")
                try:
                    if not connection.recv(1):
                        raise ConnectionResetError
                except TimeoutError:
                    pass


def test_body_that_does_not_come_is_408(target: str) -> None:
    head = b"POST /v1/scores:batchGet HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with rest_gateway(target, body_s=SOON_S) as gateway, connected(gateway) as connection:
        connection.sendall(head + b'{"userIds":')
        answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 408") and b"body did not come within 0.3 s" in answer
        assert is_served(gateway)


def test_head_that_is_too_large(target: str) -> None:
    with rest_gateway(target) as gateway, connected(gateway) as connection:
        connection.sendall(GET + b"X: " + b"x" * 4 * HEAD_BYTES_MAX + b"\r\n\r\n")
        assert received(connection)[:12] in {b"HTTP/1.1 400", b""}  # what was sent beyond the bound may reset it
        assert is_served(gateway)


def test_connections_are_bounded(target: str) -> None:
    with rest_gateway(target, connections_max=3) as gateway, ExitStack() as stack:
        assert is_served(gateway)  # the first
        held = [stack.enter_context(connected(gateway)) for _ in range(2)]
        with connected(gateway) as refused:
            assert received(refused) == b""
        assert is_served(gateway)
        held[0].close()

        def has_room() -> bool:
            with connected(gateway) as connection:
                connection.sendall(GET + b"Connection: close\r\n\r\n")
                return received(connection).startswith(b"HTTP/1.1 200")

        wait_until(has_room)


def test_watches_are_bounded_and_leave_calls_alone(target: str) -> None:
    with rest_gateway(target, watches_max=2) as gateway, ExitStack() as stack:
        url = "/v1/scores:watch?userId=u1"
        watches = [stack.enter_context(gateway.stream("GET", url)) for _ in range(2)]
        assert {watch.status_code for watch in watches} == {200}
        refused = gateway.get(url)
        assert (refused.status_code, refused.json()["code"]) == (429, "RESOURCE_EXHAUSTED")
        assert "at most 2" in refused.json()["detail"] and refused.headers["retry-after"] == "1"
        assert is_served(gateway)
        watches[0].close()

        def may_watch() -> bool:
            with gateway.stream("GET", url) as again:
                return again.status_code == 200

        wait_until(may_watch)


def test_watch_that_the_server_refuses_is_none(target: str) -> None:
    with rest_gateway(target, watches_max=1) as gateway:
        for _ in range(3):
            assert gateway.get("/v1/scores:watch", params={"userId": "u1", "namespace": "é"}).status_code == 400
        with gateway.stream("GET", "/v1/scores:watch?userId=u1") as watch:
            assert watch.status_code == 200


def test_watcher_that_reads_no_more_loses_its_watch() -> None:
    fake = FakeScores()
    scores: Any = {f"score{number}": 0.5 for number in range(20_000)}
    fake.put(user("u1", **scores))
    with (
        fake_server(fake) as target,
        rest_gateway(target, watches_max=1, send_s=SOON_S) as gateway,
        connected(gateway) as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(b"GET /v1/scores:watch?userId=u1 HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: bool(fake.calls))
        accepted = iter(range(2, 1_000))

        def has_room() -> bool:
            fake.put(user("u1", accepted=next(accepted), **scores))
            with gateway.stream("GET", "/v1/scores:watch?userId=u1") as watch:
                return watch.status_code == 200

        wait_until(has_room, timeout_s=30, poll_s=0.1)
