"""What a call asks for: the decoded request, the namespace and the user ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from driftline.limits import BATCH_IDS_MAX, ID_BYTES_MAX, LISTED_MEMBERS_MAX, NAMESPACE_CHARACTERS_MAX
from serving.middleware import Context
from sink_connectors.score_value import check_namespace, check_user_id

NAMESPACE_METADATA = "driftline-namespace"


class Refused(Exception):  # noqa: N818  (not an error of the server)
    """The call ends with this status instead of an answer."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


class Malformed:
    """Stands in for a request that is not a valid protobuf message, so that middlewares see the call too."""


class TooLarge(Malformed):
    """Stands in for a request above the setting request_bytes_max, which is not decoded."""

    def __init__(self, size: int) -> None:
        self.size = size


class NeverSent(Malformed):
    """Stands in for a message that has not arrived."""

    def __init__(self, waited_s: float) -> None:
        self.waited_s = waited_s


class TooManyWaiting(Malformed):
    """Stands in for a message that is not waited for, because too many calls wait already."""

    def __init__(self, details: str) -> None:
        self.details = details


def decoder(message: type[Message], bytes_max: int) -> Callable[[bytes], Any]:
    """A deserializer that gives Malformed where grpc.aio would log a traceback and answer UNKNOWN.

    It gives TooLarge above `bytes_max`. gRPC itself would refuse such a request before any middleware sees the call.
    """

    def decode(data: bytes) -> Any:
        if len(data) > bytes_max:
            return TooLarge(len(data))
        try:
            return message.FromString(data)
        except DecodeError:
            return Malformed()

    return decode


def check_well_formed(request: Any, bytes_max: int) -> None:
    """Raise Refused for what stands in for a request that could not be read."""
    if isinstance(request, TooLarge):
        message = f"the request has {request.size:,} bytes; request_bytes_max is {bytes_max:,}"
        raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
    if isinstance(request, NeverSent):
        message = f"no message came within {request.waited_s:g} s"
        raise Refused(grpc.StatusCode.DEADLINE_EXCEEDED, message)
    if isinstance(request, TooManyWaiting):
        raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, request.details)
    if isinstance(request, Malformed):
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the request is not a message of this method")


def requested_namespace(context: Context) -> str | None:
    """The namespace that the caller names in the request metadata, unchecked; None for the live one."""
    for key, value in context.invocation_metadata() or ():
        if key == NAMESPACE_METADATA:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return None


def shortened(text: str, characters_max: int) -> str:
    """What a log line shows of a text that the caller chose, which may be longer than any valid one."""
    return text if len(text) <= characters_max else text[:characters_max] + "..."


def checked_namespace(context: Context) -> str | None:
    """As requested_namespace. Raises Refused where the name is not valid."""
    namespace = requested_namespace(context)
    if namespace is not None:
        try:
            check_namespace(shortened(namespace, NAMESPACE_CHARACTERS_MAX))  # too long is wrong, too
        except ValueError as error:
            message = f"{NAMESPACE_METADATA}: {error}"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message) from None
    return namespace


def checked_user_id(user_id: str) -> str:
    """The id. Raises Refused unless it has 1 to ID_BYTES_MAX bytes."""
    try:
        check_user_id(user_id)
    except ValueError as error:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None
    return user_id


def is_user_id(user_id: str) -> bool:
    """Whether the id has 1 to ID_BYTES_MAX bytes."""
    try:
        return 1 <= len(user_id.encode()) <= ID_BYTES_MAX
    except UnicodeEncodeError:
        return False


def check_ids_max(count: int) -> None:
    """Raise Refused for more ids than a call may have."""
    if count > BATCH_IDS_MAX:
        message = f"at most {BATCH_IDS_MAX:,} user ids a call, not {count:,}"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)


def check_listing(request: Any) -> None:
    """Raise Refused for a ListSegmentMembersRequest whose numbers are out of bounds, or do not go together."""
    for name, most in (("limit", None), ("page_size", LISTED_MEMBERS_MAX), ("sample", LISTED_MEMBERS_MAX)):
        number = getattr(request, name)
        if number < 0 or (most is not None and number > most):
            bounds = "at least 0" if most is None else f"within 0 and {most:,}"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"{name} must be {bounds}, not {number:,}")
    if request.sample and (request.limit or request.page_size or request.page_token):
        message = "a sample has neither limit nor pages"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
