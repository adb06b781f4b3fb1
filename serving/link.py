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
from typing import Any, Protocol, cast

import hiredis
import redis

from sink_connectors.redis_errors import is_transient


class LoginRefusedError(redis.AuthenticationError):
    """Redis is there and will not let us in as we are configured. Time alone does not heal it."""


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


class Examiner(Protocol):
    """Looks at a Redis before it is read."""

    command: bytes  # packed; one reply

    def examine(self, reply: Any) -> None:
        """Raise a redis.RedisError where a Redis that answers so must not be read."""


class RedisLink:
    """Keeps one connection to the Redis that `locate` names. Used by one event loop.

    No call waits longer than `timeout_s`, connecting included. Every failure is a redis.RedisError: ConnectionError,
    TimeoutError, AuthenticationError.
    """

    def __init__(
        self, locate: Callable[[], Awaitable[Endpoint]], *, timeout_s: float, examiner: Examiner | None = None
    ) -> None:
        """The `examiner` sees a new connection before anything is read from it."""
        self._locate = locate
        self._timeout_s = timeout_s
        self._examiner = examiner
        self._wire: _Wire | None = None
        self._connecting: asyncio.Task[_Wire] | None = None
        self._closed = False

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

    def drop(self, reason: str) -> None:
        """Close the connection, so that the next call looks anew where Redis is; calls that run are sent again."""
        if self._wire is not None:
            self._wire.abort(redis.ConnectionError(reason))

    async def close(self) -> None:
        """Close the connection for good; calls that run fail, and so do later ones."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        self.drop("closed")

    async def _connected(self) -> _Wire:
        """A working connection; callers that ask while one is being made wait for the same one."""
        if self._closed:
            message = "closed"
            raise redis.ConnectionError(message)
        if self._wire is not None and self._wire.broken is None:
            return self._wire
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(self._connect_done)
        connecting = self._connecting
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            if self._closed and connecting.cancelled():  # not our caller's wish
                message = "closed"
                raise redis.ConnectionError(message) from None
            raise

    def _connect_done(self, task: asyncio.Task[_Wire]) -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._wire = task.result()
            if self._closed:
                self.drop("closed")

    async def _connect(self) -> _Wire:
        """A connection that is logged in; on any failure, what was opened is closed."""
        wire = _Wire(asyncio.get_running_loop(), self._timeout_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                endpoint = await self._locate()
                await _open(endpoint, wire)
                await self._greet(wire, endpoint.greeting())
        except TimeoutError:
            message = f"no connection within {self._timeout_s:g} s"
            raise wire.abort(redis.TimeoutError(message)) from None
        except OSError as error:
            raise wire.abort(redis.ConnectionError(str(error))) from None
        except BaseException:
            wire.abort(redis.ConnectionError("not used"))
            raise
        return wire

    async def _greet(self, wire: _Wire, greeting: list[bytes]) -> None:
        """Log in, and examine the server, in one round trip."""
        commands = greeting if self._examiner is None else [*greeting, self._examiner.command]
        if not commands:
            return
        replies = await wire.send(b"".join(commands), len(commands))
        for reply in replies[: len(greeting)]:
            if isinstance(reply, Exception):
                raise reply if is_transient(reply) else LoginRefusedError(str(reply))
        if self._examiner is not None:
            self._examiner.examine(replies[-1])


async def _open(endpoint: Endpoint, wire: _Wire) -> None:
    """Connect the wire, which knows its transport from then on: aborting it closes the connection."""
    loop = asyncio.get_running_loop()
    if endpoint.path:
        await loop.create_unix_connection(lambda: wire, endpoint.path)
    else:
        await loop.create_connection(lambda: wire, endpoint.host, endpoint.port, ssl=endpoint.tls)


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

    def abort(self, error: redis.RedisError) -> redis.RedisError:
        """Close at once; every call that waits fails. Returns the error that the wire broke with first."""
        if self.broken is not None:
            return self.broken
        self.broken = error
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        while self._calls:
            call = self._calls.popleft()
            if not call.answered.done():
                call.answered.set_exception(error)
        return error

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self.broken is not None:  # given up meanwhile
            self._transport.abort()

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
