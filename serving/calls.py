"""What middlewares share: with which status a call ended, who made it, and code that runs before and after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, TypeAlias

import grpc

from serving.middleware import Context, Handler, Middleware, is_stream

# The authenticated client of the call, set by auth.py; each call runs in a task, and so in a context, of its own.
CLIENT: ContextVar[str] = ContextVar("client", default="")

# Made once a call, with the method's name, the request and the context; entered before the handler, left after it.
Scope: TypeAlias = Callable[[str, Any, Context], AbstractContextManager[None]]


def final_status(context: Context, error: BaseException | None) -> grpc.StatusCode:
    """The status that the caller gets, given what the handler raised."""
    if error is None:
        return grpc.StatusCode.OK
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        remaining_s = context.time_remaining()
        expired = remaining_s is not None and remaining_s <= 0
        return grpc.StatusCode.DEADLINE_EXCEEDED if expired else grpc.StatusCode.CANCELLED
    code = context.code() if isinstance(error, grpc.aio.AbortError) else None
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN


def scoped(scope: Scope) -> Middleware:
    """A middleware that runs every call inside a scope; what the handler raises passes through it."""

    def middleware(method: str, handler: Handler) -> Handler:
        if is_stream(handler):

            async def stream(request: Any, context: Context) -> AsyncIterator[bytes]:
                with scope(method, request, context):
                    async for response in handler(request, context):
                        yield response

            return stream

        async def unary(request: Any, context: Context) -> bytes:
            with scope(method, request, context):
                return await handler(request, context)

        return unary

    return middleware
