"""One pipelined connection to one Redis, for reads.

redis-py's asyncio client spends several times as much processor time on a call (docs/performance.md), and a server
that reads on every page view has nothing else to do. What is here is the part that a reader needs: connect, log in,
write commands, match replies in order, give up in time, connect again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import hiredis
import redis

_SAID_NO = ("NOAUTH", "WRONGPASS")  # what a Redis answers that wants a password, or another one


@dataclass(frozen=True)
class Endpoint:
    """Where a Redis listens, and how to log in."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""  # of a Unix socket, instead of host and port
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    replica_of_cluster: bool = False

    def greeting(self) -> list[bytes]:
        """The commands that open a connection, packed."""
        commands: list[tuple[str, ...]] = []
        if self.password:
            commands.append(("AUTH", self.username or "default", self.password))
        if self.db:
            commands.append(("SELECT", str(self.db)))
        if self.replica_of_cluster:
            commands.append(("READONLY",))
        return [pack(*command) for command in commands]


def pack(*command: str | bytes) -> bytes:
    """A command in Redis's wire format."""
    return bytes(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub knows commands of one word only


class RedisLink:
    """Keeps one connection to the Redis that `locate` names. Used by one event loop.

    No call waits longer than `timeout_s`, connecting included. Every failure is a redis.RedisError: ConnectionError,
    TimeoutError, AuthenticationError.
    """

    def __init__(self, locate: Callable[[], Awaitable[Endpoint]], *, timeout_s: float) -> None:
        self._locate = locate
        self._timeout_s = timeout_s
        self._wire: _Wire | None = None
        self._connecting: asyncio.Task[_Wire] | None = None

    async def call(self, packed: bytes, replies: int) -> list[Any]:
        """Send packed commands and return their replies; an error reply is an exception in its place.

        A connection that breaks meanwhile is replaced once, at once: reads may be repeated.
        """
        wire = self._wire
        if wire is None or wire.broken is not None:
            return await (await self._connected()).send(packed, replies)
        try:
            return await wire.send(packed, replies)
        except redis.ConnectionError:
            return await (await self._connected()).send(packed, replies)

    async def close(self) -> None:
        """Close the connection; calls that run fail."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._wire is not None:
            self._wire.abort(redis.ConnectionError("closed"))

    async def _connected(self) -> _Wire:
        """A working connection; whoever comes while one is being made waits for the same."""
        if self._wire is not None and self._wire.broken is None:
            return self._wire
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(self._connect_done)
        return await asyncio.shield(self._connecting)

    def _connect_done(self, task: asyncio.Task[_Wire]) -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._wire = task.result()

    async def _connect(self) -> _Wire:
        try:
            async with asyncio.timeout(self._timeout_s):
                endpoint = await self._locate()
                wire = await _open(endpoint, self._timeout_s)
                greeting = endpoint.greeting()
                if greeting:
                    _check(await wire.send(b"".join(greeting), len(greeting)))
        except TimeoutError:
            message = f"no connection within {self._timeout_s:g} s"
            raise redis.TimeoutError(message) from None
        except OSError as error:
            raise redis.ConnectionError(str(error)) from None
        return wire


def _check(replies: list[Any]) -> None:
    for reply in replies:
        if isinstance(reply, Exception):
            raise redis.AuthenticationError(str(reply)) if str(reply).startswith(_SAID_NO) else reply


async def _open(endpoint: Endpoint, timeout_s: float) -> _Wire:
    loop = asyncio.get_running_loop()
    if endpoint.path:
        _, wire = await loop.create_unix_connection(lambda: _Wire(loop, timeout_s), endpoint.path)
    else:
        _, wire = await loop.create_connection(
            lambda: _Wire(loop, timeout_s), endpoint.host, endpoint.port, ssl=endpoint.tls
        )
    return wire


@dataclass(slots=True)
class _Call:
    answered: asyncio.Future[list[Any]]
    missing: int
    sent_s: float
    replies: list[Any]


class _Wire(asyncio.Protocol):
    """A connection: replies come in the order of the commands."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        self.broken: redis.RedisError | None = None
        self._loop = loop
        self._timeout_s = timeout_s
        self._reader = hiredis.Reader(protocolError=redis.ConnectionError, replyError=redis.ResponseError)
        self._calls: deque[_Call] = deque()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def send(self, packed: bytes, replies: int) -> asyncio.Future[list[Any]]:
        answered: asyncio.Future[list[Any]] = self._loop.create_future()
        if self.broken is not None or self._transport is None:
            answered.set_exception(self.broken or redis.ConnectionError("not connected"))
            return answered
        self._calls.append(_Call(answered, replies, self._loop.time(), []))
        self._transport.write(packed)
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._look_at_oldest)
        return answered

    def abort(self, error: redis.RedisError) -> None:
        """Close at once; every call that waits fails."""
        if self.broken is not None:
            return
        self.broken = error
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        while self._calls:
            call = self._calls.popleft()
            if not call.answered.done():
                call.answered.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.abort(redis.ConnectionError(f"connection lost: {exc or 'closed by Redis'}"))

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except (redis.ConnectionError, IndexError) as error:  # not the protocol, or a reply that nobody asked for
            self.abort(redis.ConnectionError(f"unexpected bytes from Redis: {error}"))

    def _take(self, reply: Any) -> None:
        call = self._calls[0]
        call.replies.append(reply)
        call.missing -= 1
        if call.missing == 0:
            self._calls.popleft()
            if not call.answered.done():
                call.answered.set_result(call.replies)

    def _look_at_oldest(self) -> None:
        """One timer a connection, not one a call: it is set anew only when it rings."""
        self._timer = None
        if not self._calls:
            return
        left_s = self._calls[0].sent_s + self._timeout_s - self._loop.time()
        if left_s <= 0:
            self.abort(redis.TimeoutError(f"no answer within {self._timeout_s:g} s"))
        else:
            self._timer = self._loop.call_later(left_s, self._look_at_oldest)
