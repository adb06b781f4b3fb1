"""Errors as application/problem+json (RFC 9457), with the HTTP status that a gRPC status stands for."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from driftline.client import RequestTooLargeError, ScoresError

MEDIA_TYPE = "application/problem+json"
HTTP_STATUS = {
    "INVALID_ARGUMENT": HTTPStatus.BAD_REQUEST,
    "FAILED_PRECONDITION": HTTPStatus.BAD_REQUEST,
    "UNAUTHENTICATED": HTTPStatus.UNAUTHORIZED,
    "PERMISSION_DENIED": HTTPStatus.FORBIDDEN,
    "NOT_FOUND": HTTPStatus.NOT_FOUND,
    "RESOURCE_EXHAUSTED": HTTPStatus.TOO_MANY_REQUESTS,
    "UNIMPLEMENTED": HTTPStatus.NOT_IMPLEMENTED,
    "UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "DEADLINE_EXCEEDED": HTTPStatus.GATEWAY_TIMEOUT,
}
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "1"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
}


class BadRequestError(Exception):
    """The request cannot be understood; the message says why."""


def problem(status: int, detail: str, code: str = "", headers: dict[str, str] | None = None) -> Response:
    """The response. `code` is the gRPC status behind it, where there is one."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if code:
        content["code"] = code
    known = _HEADERS.get(HTTPStatus(status), {})
    return JSONResponse(content, status, headers=known | (headers or {}), media_type=MEDIA_TYPE)


def on_scores_error(_request: Request, error: Exception) -> Response:
    """Answer a failed call of the gRPC server."""
    assert isinstance(error, ScoresError)  # noqa: S101  (registered for it)
    status = HTTP_STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    if isinstance(error, RequestTooLargeError):  # to try again, as after 429, would not help
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return problem(status, error.details, error.code)


def on_bad_request(_request: Request, error: Exception) -> Response:
    """Answer a request that the gateway itself refuses, as the server would."""
    return problem(HTTPStatus.BAD_REQUEST, str(error), "INVALID_ARGUMENT")


def on_http_exception(_request: Request, error: Exception) -> Response:
    """Answer an unknown path, a method that a path has not, or a body that is too large."""
    assert isinstance(error, HTTPException)  # noqa: S101  (registered for it)
    return problem(error.status_code, error.detail, headers=dict(error.headers or {}))
