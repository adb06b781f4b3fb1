"""Where values are read from: one Redis, the one that Sentinel names, or the nodes of a Cluster."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import RedisSSLContext
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException

from driftline.errors import SettingError
from driftline.redis_url import why_not, without_password
from serving.link import Endpoint, LoginRefusedError, RedisLink, pack
from serving.replication import Replication
from sink_connectors.redis_address import FORMS, REDIS_PORT, RedisAddress, read_address
from sink_connectors.redis_errors import is_outage
from sink_connectors.redis_memory import RedisMemory, parse_info
from sink_connectors.score_value import HEAD_BYTES

KEYS_MAX = 500  # of a command: Redis serves no one else meanwhile
CUT_OFF_S_MAX = 10.0
_MOVED = ("MOVED", "ASK", "CLUSTERDOWN")  # the map of the cluster is not what it was

Command = tuple[str, ...]  # its words
Locate = Callable[[], Awaitable[Endpoint]]


class ScoreSource(Protocol):
    """Reads strings by key. Every method raises redis.RedisError when Redis does not answer in time."""

    async def values(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values in the order of the keys; None where there is none."""

    async def heads(self, keys: Sequence[str]) -> list[bytes]:
        """The first HEAD_BYTES of each value, of which the version is a part; empty where there is none."""

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to commands, each about the one key that is its second word."""

    async def probe(self, key: str) -> bytes | None:
        """One value, and a look at whether this Redis is still the one to read."""

    async def memory(self) -> list[RedisMemory]:
        """What each Redis says of its memory; nothing of one that does not say."""

    async def close(self) -> None:
        """Close every connection."""


class NodeSource:
    """One Redis at a time, found anew for every connection, and left where it is no longer the one to read."""

    def __init__(
        self, locate: Locate, *, timeout_s: float, replication: Replication | None = None, sentinel: Any = None
    ) -> None:
        """Without `replication` a replica is read without asking for its link to the master, where replicas are wanted.

        The connections of a `sentinel`, which `locate` asks, are closed with the source.
        """
        self._replication = replication
        self._sentinel = sentinel
        self._link = RedisLink(locate, timeout_s=timeout_s, examiner=replication)

    async def values(self, keys: Sequence[str]) -> list[bytes | None]:
        """See ScoreSource. One MGET for up to KEYS_MAX keys."""
        if len(keys) <= KEYS_MAX:
            (reply,) = await self._link.call(pack("MGET", *keys), 1)
            return list(self._checked(reply))
        chunks = [keys[start : start + KEYS_MAX] for start in range(0, len(keys), KEYS_MAX)]
        replies = await self._link.call(b"".join([pack("MGET", *chunk) for chunk in chunks]), len(chunks))
        return [value for reply in replies for value in self._checked(reply)]

    async def heads(self, keys: Sequence[str]) -> list[bytes]:
        """See ScoreSource."""
        replies = await self._link.call(b"".join(map(_get_head, keys)), len(keys))
        return [self._checked(reply) for reply in replies]

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """See ScoreSource."""
        replies = await self._link.call(b"".join([pack(*command) for command in commands]), len(commands))
        return [self._checked(reply) for reply in replies]

    async def probe(self, key: str) -> bytes | None:
        """See ScoreSource. Where a master was demoted, the name is looked up again."""
        value = await self._look(key)
        if self._replication is not None and self._replication.was_demoted:
            self._link.drop("it is a replica now")
            value = await self._look(key)
        return value

    async def memory(self) -> list[RedisMemory]:
        """See ScoreSource."""
        return await _memory_of([self._link])

    async def close(self) -> None:
        """See ScoreSource."""
        await self._link.close()
        for client in self._sentinel.sentinels if self._sentinel is not None else ():
            await client.aclose()

    async def _look(self, key: str) -> bytes | None:
        if self._replication is None:
            return (await self.values([key]))[0]
        values, about = await self._link.call(pack("MGET", key) + self._replication.command, 2)
        try:
            self._replication.examine(about)
        except redis.RedisError as error:
            self._link.drop(str(error))
            raise
        found: bytes | None = self._checked(values)[0]
        return found

    def _checked(self, reply: Any) -> Any:
        """The reply. A Redis that cannot serve now is left: behind its name there may be one that can."""
        if isinstance(reply, Exception):
            error = _named(reply)
            if is_outage(error) and not isinstance(error, redis.exceptions.AuthorizationError):
                self._link.drop(str(reply))
            raise error
        return reply


class ClusterSource:
    """A Redis Cluster. redis-py knows its map; each node has a link of its own.

    Keys of several slots do not fit into one MGET, so the reads of a node are single ones, sent together.
    """

    def __init__(self, cluster: RedisCluster, seed: Endpoint, *, timeout_s: float, read_from_replicas: bool) -> None:
        self._cluster = cluster
        self._seed = seed
        self._timeout_s = timeout_s
        self._replicas = read_from_replicas
        self._links: dict[tuple[str, int], RedisLink] = {}
        self._is_map_new = True

    async def values(self, keys: Sequence[str]) -> list[bytes | None]:
        """See ScoreSource."""
        return await self._each(keys, [pack("GET", key) for key in keys])

    async def heads(self, keys: Sequence[str]) -> list[bytes]:
        """See ScoreSource."""
        return await self._each(keys, [_get_head(key) for key in keys])

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """See ScoreSource."""
        return await self._each([command[1] for command in commands], [pack(*command) for command in commands])

    async def probe(self, key: str) -> bytes | None:
        """See ScoreSource. The nodes themselves refuse what another one should answer."""
        return (await self.values([key]))[0]

    async def memory(self) -> list[RedisMemory]:
        """See ScoreSource. Of the nodes that were read."""
        return await _memory_of(self._links.values())

    async def close(self) -> None:
        """See ScoreSource."""
        for link in self._links.values():
            await link.close()
        await self._cluster.aclose()

    async def _each(self, keys: Sequence[str], commands: Sequence[bytes]) -> list[Any]:
        """The replies to packed commands, one a key."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._know_map()
                replies = await self._ask(keys, commands)
                if any(_is_moved(reply) for reply in replies):
                    await self._forget_map()
                    await self._know_map()
                    replies = await self._ask(keys, commands)
        except TimeoutError:
            message = f"no answer within {self._timeout_s:g} s"
            raise redis.TimeoutError(message) from None
        except (redis.ConnectionError, redis.TimeoutError):
            await self._forget_map()  # the node may be gone for good, and another one have taken over
            raise
        except RedisClusterException as error:
            raise redis.ConnectionError(str(error)) from None
        return [_checked(reply) for reply in replies]

    async def _ask(self, keys: Sequence[str], commands: Sequence[bytes]) -> list[Any]:
        by_link: dict[RedisLink, list[int]] = {}
        for index, key in enumerate(keys):
            by_link.setdefault(self._link_of(key), []).append(index)
        packed = [b"".join([commands[index] for index in indexes]) for indexes in by_link.values()]
        calls = [link.call(part, len(by_link[link])) for link, part in zip(by_link, packed, strict=True)]
        replies: list[Any] = [None] * len(keys)
        for indexes, found in zip(by_link.values(), await asyncio.gather(*calls), strict=True):
            for index, reply in zip(indexes, found, strict=True):
                replies[index] = reply
        return replies

    def _link_of(self, key: str) -> RedisLink:
        node = self._replicas and self._cluster.get_node_from_key(key, replica=True)
        node = node or self._cluster.get_node_from_key(key)
        if not node:
            message = f"no node of the cluster holds {key!r}"
            raise redis.ConnectionError(message)
        address = (str(node.host), int(node.port))
        if address not in self._links:
            endpoint = replace(self._seed, host=address[0], port=address[1], replica_of_cluster=self._replicas)
            self._links[address] = RedisLink(_fixed(endpoint), timeout_s=self._timeout_s)
        return self._links[address]

    async def _know_map(self) -> None:
        """Load the map where it is not known. Nodes that are not on a new one keep no connection."""
        await self._cluster.initialize()
        if self._is_map_new:
            self._is_map_new = False
            known = {(str(node.host), int(node.port)) for node in self._cluster.get_nodes()}
            for address in self._links.keys() - known:
                await self._links.pop(address).close()

    async def _forget_map(self) -> None:
        self._is_map_new = True
        await self._cluster.aclose()


def open_source(
    url: str, *, timeout_s: float, read_from_replicas: bool = False, cut_off_s_max: float = CUT_OFF_S_MAX
) -> ScoreSource:
    """The source at `url`; no connection is made yet. Raises SettingError where the URL is none.

    Unless replicas are asked for, one whose master has been out of its reach for `cut_off_s_max` seconds is an outage.
    """
    found = read_address(url)
    replication = None if read_from_replicas else Replication(cut_off_s_max=cut_off_s_max)
    try:
        login = _endpoint(found)
        if found.kind == "sentinel":
            sentinel = _sentinel(found, timeout_s)
            locate = _named_by(sentinel, found.service, login, read_from_replicas)
            return NodeSource(locate, timeout_s=timeout_s, replication=replication, sentinel=sentinel)
        if found.kind == "cluster":
            cluster = _cluster(found, timeout_s)
            return ClusterSource(cluster, login, timeout_s=timeout_s, read_from_replicas=read_from_replicas)
    except (redis.RedisError, ValueError, TypeError, OSError) as error:
        message = f"redis_url {without_password(url)}: {why_not(url, error)}; {FORMS}"
        raise SettingError(message) from None
    if read_from_replicas:
        message = (
            "DRIFTLINE_SERVE_READ_FROM_REPLICAS needs a redis+sentinel:// or redis+cluster:// URL, which names them"
        )
        raise SettingError(message)
    return NodeSource(_fixed(login), timeout_s=timeout_s, replication=replication)


def _sentinel(found: RedisAddress, timeout_s: float) -> Any:
    return Sentinel(list(found.hosts), sentinel_kwargs=found.sentinel_options(timeout_s))  # type: ignore[no-untyped-call]


def _named_by(sentinel: Any, service: str, login: Endpoint, replicas: bool) -> Locate:
    async def locate() -> Endpoint:
        found = await sentinel.discover_slaves(service) if replicas else []
        host, port = random.choice(found) if found else await sentinel.discover_master(service)  # noqa: S311
        return replace(login, host=str(host), port=int(port))

    return locate


def _cluster(found: RedisAddress, timeout_s: float) -> RedisCluster:
    """redis-py's client, which reads the map of the cluster: with the login and the TLS of the URL."""
    tls = {name: value for name, value in found.options.items() if name.startswith("ssl_")}
    cluster: RedisCluster = RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in found.hosts],
        username=found.options.get("username"),
        password=found.options.get("password"),
        ssl=found.tls,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        **tls,
    )
    return cluster


def _endpoint(found: RedisAddress) -> Endpoint:
    """Where it is, and how to log in and to check the certificate; of Sentinels and a Cluster without the address."""
    options = found.options
    tls = None
    if found.tls:
        tls = RedisSSLContext(
            keyfile=options.get("ssl_keyfile"),
            certfile=options.get("ssl_certfile"),
            cert_reqs=options.get("ssl_cert_reqs", "required"),
            ca_certs=options.get("ssl_ca_certs"),
            check_hostname=options["ssl_check_hostname"],
        ).get()
    host, port = found.hosts[0] if found.kind == "node" and found.hosts else ("localhost", REDIS_PORT)
    return Endpoint(
        host=host,
        port=port,
        path=options.get("path", ""),
        db=int(options.get("db", 0)),
        username=options.get("username", ""),
        password=options.get("password", ""),
        tls=tls,
    )


def _fixed(endpoint: Endpoint) -> Locate:
    async def locate() -> Endpoint:
        return endpoint

    return locate


async def _memory_of(links: Iterable[RedisLink]) -> list[RedisMemory]:
    """What is known of each Redis; one that forbids INFO, or is unavailable, is left out."""
    packed = pack("INFO", "memory") + pack("INFO", "stats")
    answers = await asyncio.gather(*[link.call(packed, 2) for link in links], return_exceptions=True)
    replies = [answer for answer in answers if not isinstance(answer, BaseException)]
    return [parse_info(b"\n".join(reply)) for reply in replies if all(isinstance(part, bytes) for part in reply)]


def _get_head(key: str) -> bytes:
    return pack("GETRANGE", key, "0", str(HEAD_BYTES - 1))


def _is_moved(reply: Any) -> bool:
    return isinstance(reply, redis.ResponseError) and str(reply).startswith(_MOVED)


def _checked(reply: Any) -> Any:
    if isinstance(reply, Exception):
        raise _named(reply)
    return reply


def _named(reply: Exception) -> Exception:
    """The class that redis-py's own client would give an error reply, where it matters here."""
    if str(reply).startswith("NOAUTH"):
        return LoginRefusedError(str(reply))
    return redis.exceptions.AuthorizationError(str(reply)) if str(reply).startswith("NOPERM") else reply
