"""Streams whose right to run is checked again while they run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable


async def stream_while_allowed(
    responses: AsyncGenerator[bytes, None], check: Callable[[], Awaitable[None]], *, every_s: float
) -> AsyncGenerator[bytes, None]:
    """The responses, until `check` raises: it is awaited before each of them, and every `every_s` while none comes."""
    coming: asyncio.Future[bytes] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(responses))  # kept over the checks: to cancel it ends the generator
            while not (await asyncio.wait({coming}, timeout=every_s))[0]:
                await check()
            try:
                response = coming.result()
            except StopAsyncIteration:
                return
            await check()
            yield response
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await responses.aclose()
