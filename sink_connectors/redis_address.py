"""Which Redis a URL means: one server, the one that Sentinels name, or a Cluster. Shared by jobs, commands and server.

TLS (rediss://) checks the certificate and the name in it. What redis-py reads from a URL's query can say otherwise:
`ssl_ca_certs=/path/ca.pem` is another authority, `ssl_certfile=` and `ssl_keyfile=` are a certificate of our own,
`ssl_check_hostname=false` takes any name, `ssl_cert_reqs=none` any certificate. The Sentinels of rediss+sentinel:// are
asked over TLS as well, for they name the host whose certificate is then checked; `sentinel_ssl=false` asks in clear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from redis.connection import parse_url
from redis.sentinel import Sentinel, SentinelConnectionPool

from driftline.errors import SettingError
from driftline.redis_url import why_not, without_password

REDIS_PORT = 6379
SENTINEL_PORT = 26379
ONE_REDIS_FORMS = (
    "redis://host:6379/0, rediss:// for TLS, unix:///path/of.sock, redis+sentinel://host:26379,host:26379/service/0"
)
FORMS = f"accepted are {ONE_REDIS_FORMS}, redis+cluster://host:6379,host:6379"
_KINDS: Mapping[str, Literal["node", "sentinel", "cluster"]] = {
    "redis": "node",
    "rediss": "node",
    "unix": "node",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
}
_SENTINEL_TLS = "sentinel_ssl"  # the one option of ours


@dataclass(frozen=True)
class RedisAddress:
    """A Redis URL, read. `options` are arguments of a redis-py connection, but host and port; one may be a password."""

    kind: Literal["node", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...]  # of the Redis, the Sentinels, or some nodes of the Cluster; none: a Unix socket
    service: str  # that the Sentinels know the Redis by
    tls: bool
    sentinel_tls: bool
    options: Mapping[str, Any] = field(repr=False)

    def sentinel_options(self, timeout_s: float) -> dict[str, Any]:
        """Arguments of the connections to the Sentinels; the login is the Redis's, not theirs."""
        tls = {name: value for name, value in self.options.items() if name.startswith("ssl_")}
        limits = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        return limits | (tls | {"ssl": True} if self.sentinel_tls else {})


def read_address(url: str) -> RedisAddress:
    """Read a Redis URL; nothing is connected. Raises SettingError that names the accepted forms, and no password."""
    try:
        return _read(url)
    except (ValueError, TypeError) as error:
        message = f"redis_url {without_password(url)}: {why_not(url, error)}; {FORMS}"
        raise SettingError(message) from None


def open_client(url: str, *, connect_timeout_s: float, read_timeout_s: float) -> redis.Redis:
    """A client of the one Redis that the URL means; connects at the first call, and finds it anew for each connection.

    Raises SettingError on a bad URL, and on that of a Cluster: nothing but the gRPC server reads one.
    """
    found = read_address(url)
    if found.kind == "cluster":
        message = (
            f"redis_url {without_password(url)}: only `driftline serve` reads a Cluster; accepted are {ONE_REDIS_FORMS}"
        )
        raise SettingError(message)
    limits = {
        "socket_connect_timeout": connect_timeout_s,
        "socket_timeout": read_timeout_s,
        "socket_keepalive": True,
    }
    try:
        pool = _pool(found, limits | dict(found.options), connect_timeout_s)
        pool.make_connection()  # checks the options
    except (redis.RedisError, ValueError, TypeError) as error:
        message = f"redis_url {without_password(url)}: {why_not(url, error)}; {FORMS}"
        raise SettingError(message) from None
    return redis.Redis.from_pool(pool)


def _pool(found: RedisAddress, options: dict[str, Any], timeout_s: float) -> redis.ConnectionPool:
    if found.kind == "sentinel":
        sentinel = Sentinel(list(found.hosts), sentinel_kwargs=found.sentinel_options(timeout_s))  # type: ignore[no-untyped-call]
        return _SentinelPool(found.service, sentinel, ssl=found.tls, **options)  # type: ignore[no-untyped-call]
    if "path" in options:
        return redis.ConnectionPool(connection_class=redis.UnixDomainSocketConnection, **_without_tcp(options))
    ((host, port),) = found.hosts
    kind = redis.SSLConnection if found.tls else redis.Connection
    return redis.ConnectionPool(connection_class=kind, host=host, port=port, **options)


class _SentinelPool(SentinelConnectionPool):
    """Closes the connections to the Sentinels together with those to the Redis."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                sentinel.close()


def _without_tcp(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "socket_keepalive"}


def _read(url: str) -> RedisAddress:
    parts = urlsplit(url)
    if parts.scheme not in _KINDS:
        message = f"{parts.scheme or 'no scheme'} is not a scheme of Redis"
        raise ValueError(message)
    kind, tls = _KINDS[parts.scheme], parts.scheme.startswith("rediss")
    if parts.scheme == "unix":
        return RedisAddress(kind, (), "", False, False, _options(url, tls))
    service, db = "", parts.path.strip("/")
    if kind == "sentinel":
        service, _, db = db.partition("/")
        if not service:
            message = "a Sentinel URL ends with the name of the service: redis+sentinel://host:26379/mymaster/0"
            raise ValueError(message)
    hosts = tuple(_hosts(parts.netloc, SENTINEL_PORT if kind == "sentinel" else REDIS_PORT, kind))
    query, sentinel_tls = _sentinel_tls(parts.query, tls)
    login = parts.netloc.rpartition("@")[0]
    plain = (
        "rediss" if tls else "redis",
        f"{login}@localhost" if login else "localhost",
        f"/{int(db or 0)}",
        query,
        "",
    )
    return RedisAddress(kind, hosts, service, tls, sentinel_tls, _options(urlunsplit(plain), tls))


def _hosts(netloc: str, default_port: int, kind: str) -> list[tuple[str, int]]:
    hosts = []
    for host in netloc.rpartition("@")[2].split(","):
        parts = urlsplit(f"//{host}")
        if not parts.hostname and kind != "node":
            message = f"{host!r} is not host:port"
            raise ValueError(message)
        hosts.append((parts.hostname or "localhost", parts.port or default_port))
    if kind == "node" and len(hosts) > 1:
        message = "it names several hosts"
        raise ValueError(message)
    return hosts


def _sentinel_tls(query: str, tls: bool) -> tuple[str, bool]:
    """The query without our own option, and what that option says."""
    given = parse_qsl(query, keep_blank_values=True)
    said = [value.lower() for name, value in given if name == _SENTINEL_TLS]
    if any(value not in {"true", "false"} for value in said):
        message = f"{_SENTINEL_TLS} is true or false"
        raise ValueError(message)
    rest = urlencode([(name, value) for name, value in given if name != _SENTINEL_TLS])
    return rest, said[-1] == "true" if said else tls


def _options(url: str, tls: bool) -> dict[str, Any]:
    """What redis-py reads from a plain URL: login, database, TLS, limits."""
    parsed = parse_url(url)  # type: ignore[no-untyped-call]
    found = {name: value for name, value in parsed.items() if name not in {"host", "port", "connection_class"}}
    if tls:
        found.setdefault("ssl_check_hostname", found.get("ssl_cert_reqs", "required") != "none")
    return found
