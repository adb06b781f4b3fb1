"""A server that speaks as much of Redis as a test says, and counts its connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

WAIT_S = 10.0


class CountingRedis:
    """Knows how many connections were made and how many are open."""

    def __init__(self, talk: Talk) -> None:
        self.port = 0
        self.made = 0
        self.open = 0
        self._talk = talk

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made += 1
        self.open += 1
        try:
            await self._talk(reader, writer)
            while await reader.read(65_536):  # to the end of the connection, whatever it says
                pass
        except OSError:
            pass
        finally:
            self.open -= 1
            writer.close()

    def has(self, connections: int) -> bool:
        return self.open >= connections

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def counting_redis(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[CountingRedis]:
    fake = CountingRedis(talk)
    async with await asyncio.start_server(fake.serve, "127.0.0.1", 0, ssl=tls) as server:
        fake.port = server.sockets[0].getsockname()[1]
        yield fake


def answering(*replies: bytes) -> Talk:
    """Answers each chunk that comes with the next of these, then no more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            if not await reader.read(65_536):
                return
            writer.write(reply)

    return talk


async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Takes everything and says nothing."""


async def hangs_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes at once."""
    writer.close()
