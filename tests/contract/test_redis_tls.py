"""TLS to Redis: a certificate of a trusted authority is not enough, it must be that of the host that was asked for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import trustme

from driftline.errors import ServiceUnavailable
from serving.source import open_source
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value
from tests.forwarder import Forwarder
from tests.redis_server import RedisServer, free_port

pytestmark = pytest.mark.redis

PASSWORD = "sesame"  # noqa: S105


@dataclass
class Encrypted:
    """A Redis behind two TLS proxies of one authority: one shows the certificate of this host, one that of another."""

    server: RedisServer
    right: Forwarder
    wrong: Forwarder
    ca: Path

    def url(self, proxy: Forwarder, scheme: str = "rediss", path: str = "/0", query: str = "") -> str:
        return f"{scheme}://:{PASSWORD}@127.0.0.1:{proxy.port}{path}?ssl_ca_certs={self.ca}{query}"


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[Encrypted]:
    authority, ca = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    with (
        RedisServer() as server,
        Forwarder(server.port, tls_of(authority, "127.0.0.1")) as right,
        Forwarder(server.port, tls_of(authority, "other.example")) as wrong,
    ):
        with server.client() as client:
            client.acl_setuser("default", enabled=True, reset_passwords=True, passwords=[f"+{PASSWORD}"])
        server.url = server.url.replace("//", f"//:{PASSWORD}@")
        yield Encrypted(server, right, wrong, ca)


def tls_of(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def write(url: str) -> int:
    store = RedisScoreStore.connect(url, retry_s=600)  # it waits for nothing that time does not heal
    try:
        return store.write([("u", encode_value(1, 1, b"scores"))], None).accepted
    finally:
        store.close()


def read(url: str) -> list[bytes | None]:
    async def values() -> list[bytes | None]:
        source = open_source(url, timeout_s=2)
        try:
            return await source.values(["k"])
        finally:
            await source.close()

    return asyncio.run(values())


class TestJob:
    def test_writes_to_the_host_that_the_url_names(self, encrypted: Encrypted) -> None:
        assert write(encrypted.url(encrypted.right)) == 1

    def test_another_host_gets_nothing_and_is_named_at_once(self, encrypted: Encrypted) -> None:
        with pytest.raises(ServiceUnavailable, match=r"is not trusted.*certificate.*correct redis_url"):
            write(encrypted.url(encrypted.wrong))
        assert encrypted.wrong.received == b""

    @pytest.mark.parametrize("query", ["&ssl_check_hostname=false", "&ssl_cert_reqs=none"])
    def test_unless_the_url_says_so(self, encrypted: Encrypted, query: str) -> None:
        assert write(encrypted.url(encrypted.wrong, query=query)) == 1


class TestServer:
    def test_reads_from_the_host_that_the_url_names(self, encrypted: Encrypted) -> None:
        assert read(encrypted.url(encrypted.right)) == [None]

    def test_another_host_gets_nothing(self, encrypted: Encrypted) -> None:
        with pytest.raises(redis.ConnectionError, match="certificate"):
            read(encrypted.url(encrypted.wrong))
        assert encrypted.wrong.received == b""

    def test_a_cluster_that_is_another_host_gets_nothing(self, encrypted: Encrypted) -> None:
        with pytest.raises(redis.ConnectionError):
            read(encrypted.url(encrypted.wrong, "rediss+cluster", path=""))
        assert encrypted.wrong.received == b""

    def test_a_cluster_that_is_the_host_is_asked(self, encrypted: Encrypted) -> None:
        with pytest.raises(redis.ConnectionError):  # it is none; but that is its own answer
            read(encrypted.url(encrypted.right, "rediss+cluster", path=""))
        assert b"CLUSTER" in encrypted.right.received


@pytest.mark.parametrize("act", [write, read])
class TestSentinel:
    def test_is_asked_over_tls_and_checked(self, tmp_path: Path, act: Callable[[str], object]) -> None:
        authority, ca = trustme.CA(), tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(ca))
        redis_port = free_port()
        config = f"sentinel monitor scores 127.0.0.1 {redis_port} 1\n"
        with (
            RedisServer("--sentinel", config=config) as sentinel,
            Forwarder(sentinel.port, tls_of(authority, "other.example")) as wrong,
            Forwarder(sentinel.port, tls_of(authority, "127.0.0.1")) as right,
        ):
            for proxy, asked in ((wrong, False), (right, True)):
                url = f"rediss+sentinel://127.0.0.1:{proxy.port}/scores/0?ssl_ca_certs={ca}"
                with pytest.raises((redis.ConnectionError, ServiceUnavailable)):
                    act(url) if act is read else RedisScoreStore.connect(url, retry_s=0).live_namespace()
                assert (b"SENTINEL" in proxy.received) == asked
