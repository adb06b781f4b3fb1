"""The OpenAPI document of the REST gateway."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from driftline import __version__
from driftline.limits import (
    BATCH_IDS_MAX,
    DECLARED_NAME,
    ID_BYTES_MAX,
    LISTED_MEMBERS_MAX,
    NAMESPACE_CHARACTER,
    NAMESPACE_CHARACTERS_MAX,
)
from driftline.serving.v1 import score_service_pb2 as pb
from serving.rest.problems import HTTP_STATUS, MEDIA_TYPE
from serving.rest.schema import add_schema

_JSON = "application/json"
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "the gRPC status", "enum": ["UNKNOWN", "INTERNAL", *HTTP_STATUS]},
    },
}
_USER_ID = {
    "name": "user_id",
    "in": "path",
    "required": True,
    "description": f"1 to {ID_BYTES_MAX} bytes of UTF-8, percent-encoded; a slash is %2F",
    "schema": {"type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX},
}
_FIELDS = {
    "name": "fields",
    "in": "query",
    "description": "Which fields of UserScores to return, with commas between them; all where it is missing. "
    "scores.NAME is one score.",
    "schema": {"type": "string"},
    "example": "scores.purchase_propensity,asOfEventTimeMs",
}
_NAMESPACE = {
    "name": "namespace",
    "in": "query",
    "description": "the namespace to read; the live one where it is missing or empty",
    "schema": {"type": "string", "pattern": f"^{NAMESPACE_CHARACTER}{{0,{NAMESPACE_CHARACTERS_MAX}}}$"},
}
_WATCHED = {
    "name": "userId",
    "in": "query",
    "required": True,
    "description": "repeat it for several users",
    "schema": {"type": "array", "minItems": 1, "maxItems": BATCH_IDS_MAX, "items": {"type": "string"}},
}
_BATCH = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "userIds": {"type": "array", "maxItems": BATCH_IDS_MAX, "items": {"type": "string"}},
        "readMask": {"type": "string", "description": "as the parameter `fields`"},
    },
}


_SEGMENT = {
    "name": "segment",
    "in": "path",
    "required": True,
    "description": "name of a declared segment",
    "schema": {"type": "string", "pattern": f"^{DECLARED_NAME}$"},
}
_PAGE = [
    {
        "name": "pageSize",
        "in": "query",
        "description": "at most so many members",
        "schema": {"type": "integer", "minimum": 1, "maximum": LISTED_MEMBERS_MAX, "default": LISTED_MEMBERS_MAX},
    },
    {
        "name": "pageToken",
        "in": "query",
        "description": "nextPageToken of the page before",
        "schema": {"type": "string"},
    },
    {
        "name": "sample",
        "in": "query",
        "description": "instead of a page: so many members at random",
        "schema": {"type": "integer", "minimum": 1, "maximum": LISTED_MEMBERS_MAX},
    },
]


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1, ready for JSON."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM, "BatchGetScoresRequest": _BATCH}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Driftline scores",
            "version": __version__,
            "description": "driftline.serving.v1.ScoreService in JSON: the proto3 mapping, so fields that have their "
            "default are left out and 64-bit integers are strings.",
        },
        "paths": _score_paths(schemas) | _segment_paths(schemas) | _gateway_paths(),
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _score_paths(schemas: dict[str, Any]) -> dict[str, Any]:
    """The paths that stand for methods of ScoreService; the schemas of what they answer are added."""
    get, batch, explain = (
        add_schema(message.DESCRIPTOR, schemas)
        for message in (pb.GetScoresResponse, pb.BatchGetScoresResponse, pb.ExplainScoresResponse)
    )
    why = "Why the user has these scores: every feature that the model saw."
    body = {"required": True, "content": {_JSON: {"schema": {"$ref": "#/components/schemas/BatchGetScoresRequest"}}}}
    paths = {
        "/v1/users/{user_id}/scores": {
            "get": _operation("getScores", "A user's scores.", get, [_USER_ID, _FIELDS, _NAMESPACE], missing=True)
        },
        "/v1/users/{user_id}/scores:explain": {
            "get": _operation("explainScores", why, explain, [_USER_ID, _NAMESPACE], missing=True)
        },
        "/v1/scores:batchGet": {
            "post": _operation("batchGetScores", "One result a user, in request order.", batch, [_NAMESPACE])
            | {"requestBody": body}
        },
        "/v1/scores:watch": {"get": _watch()},
    }
    paths["/v1/scores:batchGet"]["post"]["responses"] |= _problems(HTTPStatus.REQUEST_TIMEOUT)  # of the body
    return paths


def _segment_paths(schemas: dict[str, Any]) -> dict[str, Any]:
    counts, page = (
        add_schema(message.DESCRIPTOR, schemas) for message in (pb.ListSegmentsResponse, pb.ListSegmentMembersResponse)
    )
    why = "Members of a segment: a page, whose nextPageToken is missing behind the last one, or a sample."
    paths = {
        "/v1/segments": {
            "get": _operation(
                "listSegments", "The declared segments, and how many members each has.", counts, [_NAMESPACE]
            )
        },
        "/v1/segments/{segment}/members": {
            "get": _operation("listSegmentMembers", why, page, [_SEGMENT, *_PAGE, _NAMESPACE], missing=True)
        },
    }
    for path, said in zip(paths.values(), ("The segments.", "The members."), strict=True):
        path["get"]["responses"]["200"]["description"] = said
    return paths


def _gateway_paths() -> dict[str, Any]:
    """The paths that need no token."""
    serves = "Whether the gRPC server behind this gateway answers calls, also from memory while its Redis is down."
    return {
        "/healthz": _health("health", serves),
        "/readyz": _health("ready", serves),
        "/freshz": _health("fresh", "Whether it answers them from Redis."),
        "/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "This document.",
                "security": [],
                "responses": {"200": _content("OpenAPI 3.1.", _JSON, {"type": "object"})},
            }
        },
    }


def _health(name: str, summary: str) -> dict[str, Any]:
    answer = {"type": "object", "required": ["status"], "properties": {"status": {"const": "SERVING"}}}
    responses = {"200": _content("It does.", _JSON, answer), **_problems(503)}
    return {"get": {"operationId": name, "summary": summary, "security": [], "responses": responses}}


def _operation(
    name: str, summary: str, answer: dict[str, Any], parameters: list[Any], *, missing: bool = False
) -> dict[str, Any]:
    """An operation that calls the gRPC server. Only one about a user or a segment that may be `missing` answers 404."""
    statuses = {*HTTP_STATUS.values(), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INTERNAL_SERVER_ERROR}
    if not missing:
        statuses.discard(HTTPStatus.NOT_FOUND)
    responses = {"200": _content("The scores.", _JSON, answer), **_problems(*sorted(statuses))}
    return {"operationId": name, "summary": summary, "parameters": parameters, "responses": responses}


def _watch() -> dict[str, Any]:
    operation = _operation("watchScores", "What is stored of each user now, then every newer value.", {}, [])
    operation["parameters"] = [_WATCHED, _FIELDS, _NAMESPACE]
    operation["description"] = (
        "Server-sent events named `scores`, whose data is a UserResult in JSON; a comment line every 15 s. "
        "When the server was lost for long, an event `problem` with a Problem ends the stream."
    )
    stream = {"text/event-stream": {"schema": {"type": "string"}}}
    operation["responses"]["200"] = {"description": "The stream, which ends with the call.", "content": stream}
    return operation


def _content(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _problems(*statuses: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {str(status): _content(HTTPStatus(status).phrase, MEDIA_TYPE, schema) for status in statuses}
