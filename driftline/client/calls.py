"""What the two clients share: everything but the waiting. Requests, metadata, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypedDict

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from driftline.client.channel import Tls
from driftline.client.errors import InvalidRequestError, ScoresError, error_of
from driftline.limits import BATCH_IDS_MAX, NAMESPACE_CHARACTERS_MAX
from driftline.serving.v1 import score_service_pb2 as pb

DEADLINE_S = 0.5  # of a call, unless the caller says otherwise: long for a healthy server, short for a page view
RECONNECT_S_MAX = 60.0  # how long a watch tries to get its stream back

Metadata = tuple[tuple[str, str], ...]
Token = str | Callable[[], str]

_VERSION_PATHS = ("generation", "accepted_events", "age_s")


class Options(TypedDict, total=False):
    """What a client is made with, beside its target."""

    namespace: str  # which namespace to read; empty for the live one
    timeout_s: float  # deadline of a call
    token: Token  # sent as a bearer token; a function is asked before each call, so that tokens can change
    tls: Tls | None  # None for a connection in clear text
    reconnect_s: float  # how long a watch tries to get a lost stream back


class Calls:
    """Prepares calls of the server at `target`, and names what went wrong. Options say what the arguments are."""

    def __init__(
        self,
        target: str,
        *,
        namespace: str = "",
        timeout_s: float = DEADLINE_S,
        token: Token = "",
        tls: Tls | None = None,
        reconnect_s: float = RECONNECT_S_MAX,
    ) -> None:
        self.target = target
        self.tls = tls
        self.reconnect_s = reconnect_s
        self._namespace = namespace
        self._timeout_s = timeout_s
        self._token = token

    def deadline_s(self, timeout_s: float | None) -> float:
        """The deadline of one call."""
        return self._timeout_s if timeout_s is None else timeout_s

    def metadata(self, namespace: str | None, extra: Metadata = ()) -> Metadata:
        """The call's metadata. Raises InvalidRequestError for a namespace or a token that no metadata could carry."""
        pairs = list(extra)
        chosen = self._namespace if namespace is None else namespace
        if chosen:
            if not (chosen.isascii() and chosen.isprintable()):
                message = f"a namespace must have 1 to {NAMESPACE_CHARACTERS_MAX} letters, digits, '_', '.' or '-'"
                raise self.invalid(message)
            pairs.append(("driftline-namespace", chosen))
        token = self._token if isinstance(self._token, str) else self._token()
        if token:
            if not (token.isascii() and token.isprintable()):  # gRPC's own error would show it
                message = "the token must be printable ASCII on one line; was it read with its line end?"
                raise self.invalid(message)
            pairs.append(("authorization", f"Bearer {token}"))
        return tuple(pairs)

    def get(self, user_id: str, fields: Sequence[str]) -> pb.GetScoresRequest:
        """The request of one user's scores."""
        return pb.GetScoresRequest(user_id=self._text(user_id), read_mask=self._mask(fields))

    def batches(self, user_ids: Sequence[str], fields: Sequence[str]) -> Iterator[pb.BatchGetScoresRequest]:
        """The requests of many users' scores, BATCH_IDS_MAX ids each, in this order."""
        mask = self._mask(fields)
        for start in range(0, max(len(user_ids), 1), BATCH_IDS_MAX):  # also for nobody: the server may refuse the call
            part = [self._text(user_id) for user_id in user_ids[start : start + BATCH_IDS_MAX]]
            yield pb.BatchGetScoresRequest(user_ids=part, read_mask=mask)

    def explain(self, user_id: str) -> pb.ExplainScoresRequest:
        """The request of an explanation."""
        return pb.ExplainScoresRequest(user_id=self._text(user_id))

    def watch(self, user_ids: Sequence[str], fields: Sequence[str]) -> pb.WatchScoresRequest:
        """The request of a watch. It asks for the version too: without it nobody could tell older from newer."""
        asked = [*fields, *(path for path in _VERSION_PATHS if path not in fields)] if fields else []
        ids = [self._text(user_id) for user_id in user_ids]
        return pb.WatchScoresRequest(user_ids=ids, read_mask=self._mask(asked))

    def members(
        self, segment: str, *, limit: int = 0, page_size: int = 0, page_token: str = "", sample: int = 0
    ) -> pb.ListSegmentMembersRequest:
        """The request of a listing; what no request could say is left to the server to refuse."""
        try:
            return pb.ListSegmentMembersRequest(
                segment=self._text(segment),
                limit=limit,
                page_size=page_size,
                page_token=self._text(page_token),
                sample=sample,
            )
        except ValueError as error:
            raise self.invalid(str(error)) from None

    def error(self, error: grpc.RpcError) -> ScoresError:
        """What a failed call means."""
        return error_of(self.target, error.code().name, error.details() or "no details")

    def invalid(self, details: str) -> InvalidRequestError:
        """A request that is not worth sending."""
        return InvalidRequestError(self.target, details)

    def _text(self, text: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError:
            message = "user ids, fields and names must be valid Unicode"
            raise self.invalid(message) from None
        return text

    def _mask(self, fields: Sequence[str]) -> FieldMask | None:
        return FieldMask(paths=[self._text(path) for path in dict.fromkeys(fields)]) if fields else None
