"""Who was denied, sent too much, or asked for an explanation or for a segment's members.

One line each on the logger `driftline.audit`.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from driftline.limits import ID_BYTES_MAX, NAMESPACE_CHARACTERS_MAX
from serving.calls import CLIENT, final_status, scoped
from serving.logs import log_event
from serving.middleware import Context, Handler, Middleware, UnaryHandler, is_stream
from serving.requests import Malformed, TooLarge, shortened

AUDITED_METHODS = {"ExplainScores": "explained", "ListSegmentMembers": "listed"}  # and the events of their lines
DENIALS = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})

_HASH_BYTES = 8
_SEGMENT_CHARACTERS_MAX = 64  # of a valid name
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
            return shortened(user_id, ID_BYTES_MAX)
        return hashlib.blake2b(user_id.encode("utf-8", "replace"), key=self._key, digest_size=_HASH_BYTES).hexdigest()


def audit(user_ids: UserIds, namespace_of: Callable[[Context], str | None]) -> Middleware:
    """A middleware to put outside access control; `namespace_of` tells the namespace that a call asks for."""
    audit_log = _AuditLog(user_ids, namespace_of)
    audit_every_outcome = scoped(audit_log.scope)

    def middleware(method: str, handler: Handler) -> Handler:
        if is_stream(handler) or method in AUDITED_METHODS:
            return audit_every_outcome(method, handler)
        return audit_log.denials_only(method, handler)

    return middleware


class _AuditLog:
    def __init__(self, user_ids: UserIds, namespace_of: Callable[[Context], str | None]) -> None:
        self._user_ids = user_ids
        self._namespace_of = namespace_of

    @contextmanager
    def scope(self, method: str, request: Any, context: Context) -> Iterator[None]:
        """The scope of a call that may be audited whether it is denied or not."""
        try:
            yield
        except BaseException as error:
            self._write_if_audited(method, request, context, final_status(context, error))
            raise
        self._write_if_audited(method, request, context, grpc.StatusCode.OK)

    def denials_only(self, method: str, handler: UnaryHandler) -> UnaryHandler:
        """The handler, audited only where it refuses the call: a scope would cost every other call 1 us."""

        async def unary(request: Any, context: Context) -> bytes:
            try:
                return await handler(request, context)
            except grpc.aio.AbortError as error:
                self._write_if_audited(method, request, context, final_status(context, error))
                raise

        return unary

    def _write_if_audited(self, method: str, request: Any, context: Context, code: grpc.StatusCode) -> None:
        if code in DENIALS:
            event = "denied"
        elif isinstance(request, TooLarge):
            event = "too large"
        elif method in AUDITED_METHODS and not isinstance(request, Malformed):  # which asks for nobody
            event = AUDITED_METHODS[method]
        else:
            return
        user_id = getattr(request, "user_id", "")
        fields: dict[str, Any] = {
            "client": CLIENT.get(),
            "method": method,
            "namespace": shortened(self._namespace_of(context) or "", NAMESPACE_CHARACTERS_MAX),
            "peer": context.peer(),
            "code": code.name,
            "user": self._user_ids.shown(user_id) if user_id else "",
        }
        if segment := getattr(request, "segment", ""):
            fields["segment"] = shortened(segment, _SEGMENT_CHARACTERS_MAX)
        log_event(log, event, **fields)
