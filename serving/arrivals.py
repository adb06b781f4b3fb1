"""Waits a bounded time for the message of a call.

A stream that has sent its headers and no message costs memory and a task, and grpc.aio shows it to no handler of a
method that takes one message. So every method is registered as one that takes a stream, and its one message is read
here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc

from serving.middleware import Context, Handler, StreamHandler, UnaryHandler, is_stream
from serving.requests import Malformed, NeverSent, Refused, TooManyWaiting, check_well_formed
from serving.shares import Shares, peer_of


class Arrivals:
    """The calls of a worker whose message has not come yet. Used by one event loop."""

    def __init__(self, *, wait_s: float, calls_max: int, peer_calls_max: int) -> None:
        """A call waits for `wait_s` at the longest; `calls_max` do so at a time, of one address `peer_calls_max`."""
        self._wait_s = wait_s
        self._calls_max = calls_max
        self._shares = Shares("calls that have sent no message", peer_calls_max, "client_in_flight_max")
        self._since_s: dict[asyncio.Task[Any], float] = {}  # the oldest first
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def method(
        self, handler: Handler, decode: Callable[[bytes], Any], encode: Any = None, *, writes: bool = False
    ) -> grpc.RpcMethodHandler:
        """What to register for a method of one message; its handler gets that message, or what stands for it.

        A handler that `writes` answers with a stream, and by `context.write`.
        """
        if writes:
            return grpc.stream_stream_rpc_method_handler(self._answering(cast("UnaryHandler", handler)), decode, encode)
        if is_stream(handler):
            return grpc.stream_stream_rpc_method_handler(self._streaming(handler), decode, encode)
        return grpc.stream_unary_rpc_method_handler(self._answering(handler), decode, encode)

    def _answering(self, handler: UnaryHandler) -> Callable[[Any, Context], Any]:
        async def answer(_requests: Any, context: Context) -> Any:
            try:
                return await handler(await self._message(context), context)
            except grpc.aio.AbortError as aborted:
                _forget_frames(aborted)
                raise
            finally:
                del _requests, context

        return answer

    def _streaming(self, handler: StreamHandler) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def stream(_requests: Any, context: Context) -> AsyncIterator[Any]:
            try:
                async for response in handler(await self._message(context), context):
                    yield response
            except grpc.aio.AbortError as aborted:
                _forget_frames(aborted)
                raise
            finally:
                del _requests, context

        return stream

    async def _message(self, context: Context) -> Any:
        peer = peer_of(context)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (a coroutine runs in one)
        if len(self._since_s) >= self._calls_max:
            return TooManyWaiting(f"{len(self._since_s):,} calls have sent no message yet")
        try:
            self._shares.take(peer)
        except Refused as refused:
            return TooManyWaiting(refused.details)
        loop = asyncio.get_running_loop()
        self._since_s[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._wait_s, self._end_late)
        try:
            message = await context.read()
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            return NeverSent(self._wait_s)
        finally:
            del self._since_s[task]
            self._late.discard(task)
            self._shares.give_back(peer)
        return Malformed() if message is grpc.aio.EOF else message

    def _end_late(self) -> None:
        """One timer for all, not one a call: it is set anew only when it rings."""
        self._timer = None
        loop = asyncio.get_running_loop()
        for task, since_s in self._since_s.items():
            if (left_s := since_s + self._wait_s - loop.time()) > 0:
                self._timer = loop.call_later(left_s, self._end_late)
                return
            if task not in self._late:
                self._late.add(task)
                task.cancel()


def _forget_frames(aborted: grpc.aio.AbortError) -> None:
    """Let go of the frames that an aborted call has passed.

    gRPC keeps the error with the call, and the frames hold the call: in such a circle its stream stays open, and counts
    against connection_streams_max, until Python's garbage collector comes by.
    """
    aborted.__traceback__ = aborted.__context__ = aborted.__cause__ = None


class UnlimitedCalls:
    """Bounds the calls of health and reflection, which need no right, and of which some may last for ever."""

    def __init__(self, *, wait_s: float, peer_calls_max: int) -> None:
        """One address has `peer_calls_max` such calls at a time; a next message is waited for `wait_s`."""
        self._wait_s = wait_s
        self._shares = Shares("calls of health and reflection", peer_calls_max, "client_in_flight_max")

    def one_message(self, handler: Any) -> UnaryHandler:
        """The handler of a method that takes one message, and answers once or by `context.write`."""

        async def unary(request: Any, context: Context) -> Any:
            async with self._share(context):
                await _refuse_none(request, context)
                return await handler(request, context)

        return unary

    def many_messages(self, handler: Any) -> StreamHandler:
        """The handler of a method that takes a stream."""

        async def stream(requests: Any, context: Context) -> AsyncIterator[Any]:
            async with self._share(context):
                async for response in handler(self._in_time(requests, context), context):
                    yield response

        return stream

    @asynccontextmanager
    async def _share(self, context: Context) -> AsyncIterator[None]:
        peer = peer_of(context)
        try:
            self._shares.take(peer)
        except Refused as refused:
            await context.abort(refused.code, refused.details)
        try:
            yield
        finally:
            self._shares.give_back(peer)

    async def _in_time(self, requests: Any, context: Context) -> AsyncIterator[Any]:
        while True:
            try:
                async with asyncio.timeout(self._wait_s):
                    request = await anext(requests)
            except StopAsyncIteration:
                return
            except TimeoutError:
                await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"no message came within {self._wait_s:g} s")
            yield request


async def _refuse_none(request: Any, context: Context) -> None:
    try:
        check_well_formed(request, 0)
    except Refused as refused:
        await context.abort(refused.code, refused.details)
