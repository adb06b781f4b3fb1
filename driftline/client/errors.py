"""Why a call gave no scores.

ScoresError                   any other status of gRPC; `code` names it
 +-- NotFoundError            the user has no scores
 +-- InvalidRequestError      the id, the mask, the namespace or the number of ids cannot be served
 +-- FailedPreconditionError  the scores were stored without their features, so there is nothing to explain
 +-- UnauthenticatedError     the token is missing or not known
 +-- PermissionDeniedError    the token does not allow this method or namespace
 +-- ResourceExhaustedError   too many calls wait for the score store; also a ServiceUnavailable
 |    +-- RequestTooLargeError  the request has more bytes than the server takes: to ask again is no use
 +-- UnavailableError         the server or its score store cannot be reached; also a ServiceUnavailable
 +-- DeadlineExceededError    no answer within the deadline; also a ServiceUnavailable
"""

from __future__ import annotations

import re
from typing import ClassVar

from driftline.errors import DriftlineError, ServiceUnavailable


class ScoresError(DriftlineError):
    """A call of the score server gave no scores.

    `code` is the name of the gRPC status, `details` the server's words; neither holds a user id.
    """

    status: ClassVar[str] = "UNKNOWN"

    def __init__(self, target: str, details: str, code: str = "") -> None:
        self.code = code or self.status
        self.details = details
        super().__init__(f"the gRPC server at {target} gave no scores: {self.code}, {details}")


class NotFoundError(ScoresError):
    """The user has no scores."""

    status = "NOT_FOUND"


class InvalidRequestError(ScoresError):
    """The id, the mask, the namespace or the number of ids cannot be served."""

    status = "INVALID_ARGUMENT"


class FailedPreconditionError(ScoresError):
    """The scores were stored without their features."""

    status = "FAILED_PRECONDITION"


class UnauthenticatedError(ScoresError):
    """The token is missing or not known."""

    status = "UNAUTHENTICATED"


class PermissionDeniedError(ScoresError):
    """The token does not allow this method or namespace."""

    status = "PERMISSION_DENIED"


class ResourceExhaustedError(ScoresError, ServiceUnavailable):
    """Too many calls wait for the score store."""

    status = "RESOURCE_EXHAUSTED"


class RequestTooLargeError(ResourceExhaustedError):
    """The request has more bytes than the server takes."""


class UnavailableError(ScoresError, ServiceUnavailable):
    """The server or its score store cannot be reached."""

    status = "UNAVAILABLE"


class DeadlineExceededError(ScoresError, ServiceUnavailable):
    """No answer within the deadline."""

    status = "DEADLINE_EXCEEDED"


# gRPC has one status for too many calls and for one that is too large, so the words tell: our server's, or gRPC's own.
_TOO_LARGE = re.compile(r"request_bytes_max|SERVER: .*larger than max")
_BY_STATUS: dict[str, type[ScoresError]] = {kind.status: kind for kind in ScoresError.__subclasses__()}


def error_of(target: str, code: str, details: str) -> ScoresError:
    """The exception of a gRPC status; `target` is the server's address, for the message."""
    kind = _BY_STATUS.get(code, ScoresError)
    if kind is ResourceExhaustedError and _TOO_LARGE.search(details):
        kind = RequestTooLargeError
    return kind(target, " ".join(details.split()), code)
