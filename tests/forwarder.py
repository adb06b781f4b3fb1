"""A TCP forwarder whose new connections can be sent elsewhere, as a DNS name or a virtual IP does at a failover."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from types import TracebackType

from tests.redis_server import wait_until


class Forwarder:
    """Listens on `port` and forwards to `target`, a port of this machine; connections that exist stay.

    With `tls` it speaks TLS to its clients, as a proxy in front of Redis does. `received` is what they have sent.
    """

    def __init__(self, target: int, tls: ssl.SSLContext | None = None, *, source: str = "127.0.0.1") -> None:
        """`source` is the address that the target sees."""
        self.port = 0
        self._source = source
        self.target = target
        self.received = b""
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Forwarder:
        self._thread.start()
        wait_until(lambda: self.port > 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        await self._stopped.wait()
        server.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(
                "127.0.0.1", self.target, local_addr=(self._source, 0)
            )
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            _pump(reader, there_writer, self._note), _pump(there_reader, writer), return_exceptions=True
        )

    def _note(self, data: bytes) -> None:
        self.received += data


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None] = lambda _: None
) -> None:
    try:
        while data := await reader.read(65_536):
            note(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
