"""Who was denied, sent too much, or asked for an explanation: one line each on the logger `driftline.audit`."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from serving.calls import CLIENT, around, ended_as
from serving.logs import log_event
from serving.middleware import Context, Handler, Middleware, is_stream
from serving.requests import TooLarge

AUDITED_METHODS = frozenset({"ExplainScores"})
DENIALS = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})

_HASH_BYTES = 8
_SECRET_BYTES_MAX = 64  # of a blake2b key

log = logging.getLogger("driftline.audit")


class UserIds:
    """How logs name a user: by a keyed hash, or by the id itself where `plain` is on.

    Without a secret the key is random: hashes of one process are equal for equal users, and mean nothing elsewhere.
    """

    def __init__(self, *, secret: str = "", plain: bool = False) -> None:
        self._plain = plain
        self.shown_as = "the id" if plain else "hash with the key of log_secret" if secret else "hash with a random key"
        key = secret.encode()
        if len(key) > _SECRET_BYTES_MAX:  # blake2b refuses it; a hash of it is as good
            key = hashlib.blake2b(key).digest()
        self._key = key or secrets.token_bytes(_SECRET_BYTES_MAX)

    def shown(self, user_id: str) -> str:
        """What a log may hold of this user: 16 hexadecimal digits, or the id."""
        if self._plain:
            return user_id
        return hashlib.blake2b(user_id.encode("utf-8", "replace"), key=self._key, digest_size=_HASH_BYTES).hexdigest()


def _event(request: Any, code: grpc.StatusCode) -> str:
    if code in DENIALS:
        return "denied"
    return "too large" if isinstance(request, TooLarge) else "explained"


def audit(user_ids: UserIds, namespace_of: Callable[[Context], str | None]) -> Middleware:
    """A middleware for the outside of access control; `namespace_of` tells the namespace that a call asks for."""

    def write(method: str, request: Any, context: Context, code: grpc.StatusCode) -> None:
        user_id = getattr(request, "user_id", "")
        log_event(
            log,
            _event(request, code),
            client=CLIENT.get(),
            method=method,
            namespace=namespace_of(context) or "",
            peer=context.peer(),
            code=code.name,
            user=user_ids.shown(user_id) if user_id else "",
        )

    @contextmanager
    def scope(method: str, request: Any, context: Context) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            code = ended_as(context, error)
            if code in DENIALS or isinstance(request, TooLarge) or method in AUDITED_METHODS:
                write(method, request, context, code)
            raise
        if method in AUDITED_METHODS:
            write(method, request, context, grpc.StatusCode.OK)

    everything = around(scope)

    def middleware(method: str, handler: Handler) -> Handler:
        if is_stream(handler) or method in AUDITED_METHODS:
            return everything(method, handler)

        async def denials_only(request: Any, context: Context) -> bytes:  # a scope would cost the usual call 1 us
            try:
                return await handler(request, context)
            except grpc.aio.AbortError as error:
                code = ended_as(context, error)
                if code in DENIALS or isinstance(request, TooLarge):
                    write(method, request, context, code)
                raise

        return denials_only

    return middleware
