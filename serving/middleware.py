"""What may be put around every method of ScoreService: access, metrics, traces, logs.

A handler is what grpc.aio calls for a method, and a middleware makes a new handler around another. A handler must be
written with `async def`, because grpc.aio looks at the function itself: a coroutine function for a method that answers
once, an async generator function for a stream. What leaves a handler is a serialized response.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from grpc.aio import ServicerContext
from typing_extensions import TypeIs

Context: TypeAlias = ServicerContext[Any, Any]
UnaryHandler: TypeAlias = Callable[[Any, Context], Awaitable[bytes]]
StreamHandler: TypeAlias = Callable[[Any, Context], AsyncIterator[bytes]]
Handler: TypeAlias = UnaryHandler | StreamHandler

# Called once a method, when the server is built, with the method's short name ("GetScores") and the handler to wrap.
# The new handler must be of the same kind. It sees the decoded request, or serving.requests.Malformed for bytes that
# are none; a call that ended by `context.abort` raises grpc.aio.AbortError through it, with the status in
# `context.code()`, and one that the caller gave up asyncio.CancelledError.
Middleware: TypeAlias = Callable[[str, Handler], Handler]


def is_stream(handler: Handler) -> TypeIs[StreamHandler]:
    """Whether the handler answers with a stream, so that a wrapper of it must be an async generator function."""
    return inspect.isasyncgenfunction(handler)


def wrapped(method: str, handler: Handler, middlewares: Sequence[Middleware]) -> Handler:
    """The handler inside the middlewares, the first of them outermost. Raises TypeError if one changes the kind."""
    result = handler
    for middleware in reversed(middlewares):
        result = middleware(method, result)
        if is_stream(result) != is_stream(handler) or not _is_async(result):
            kind = "an async generator function" if is_stream(handler) else "a coroutine function"
            message = f"{middleware!r} must make {kind} of {method}"
            raise TypeError(message)
    return result


def _is_async(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler)
